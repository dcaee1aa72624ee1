#include "client/verbs.hpp"

#include <algorithm>
#include <array>

namespace portd::client {
namespace {

constexpr std::array all_verbs{
    &history_verb, &who_verb,     &list_verb,      &watch_verb,    &export_verb, &audit_verb,
    &explain_verb, &why_verb,     &conflicts_verb, &pressure_verb, &map_verb,    &attribute_verb,
    &status_verb,  &metrics_verb, &verify_verb,    &doctor_verb,
};

} // namespace

std::span<const Verb *const> verbs() {
    return all_verbs;
}

const Verb *find_verb(std::string_view name) {
    const auto found =
        std::ranges::find_if(all_verbs, [name](const Verb *verb) { return verb->name == name; });
    return found == all_verbs.end() ? nullptr : *found;
}

} // namespace portd::client
