// The table of verbs.
#pragma once

#include "client/verb.hpp"

#include <span>
#include <string_view>

namespace portd::client {

// In the order of the help.
std::span<const Verb *const> verbs();
// Nothing if there is no such verb.
const Verb *find_verb(std::string_view name);

} // namespace portd::client
