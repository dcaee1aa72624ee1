#include "capture/namespace_names.hpp"

#include <sys/stat.h>
#include <system_error>
#include <utility>
#include <variant>

namespace portd::capture {

void NamespaceNames::learn(std::uint32_t inode, const std::string &name, model::Instant since) {
    auto &known = known_[inode];
    if (known == name)
        return;
    known = name;
    news_.push_back({inode, name, since});
}

void NamespaceNames::notice(const model::Observation &observation) {
    const auto *taken = std::get_if<model::PortTaken>(&observation);
    if (!taken || taken->key.network_namespace == own_namespace_ ||
        known_.contains(taken->key.network_namespace))
        return;
    if (!taken->process || !taken->process->container)
        wants_look_ = true;
    else
        learn(taken->key.network_namespace, *taken->process->container, taken->at);
}

void NamespaceNames::look(model::Instant now) {
    const auto since = std::exchange(looked_at_, now).value_or(now);
    wants_look_ = false;
    std::error_code error;
    for (const auto &entry : std::filesystem::directory_iterator(folder_, error)) {
        struct stat status {};
        if (::stat(entry.path().c_str(), &status) != 0)
            continue;
        const auto inode = static_cast<std::uint32_t>(status.st_ino);
        if (inode != own_namespace_)
            learn(inode, entry.path().filename().string(), since);
    }
}

std::vector<NamespaceName> NamespaceNames::take() {
    return std::exchange(news_, {});
}

} // namespace portd::capture
