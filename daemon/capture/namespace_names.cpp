#include "capture/namespace_names.hpp"

#include <sys/stat.h>
#include <system_error>
#include <utility>
#include <variant>

namespace portd::capture {

void NamespaceNames::notice(const model::Observation &observation) {
    const auto *taken = std::get_if<model::PortTaken>(&observation);
    if (!taken)
        return;
    const auto inode = taken->key.network_namespace;
    if (inode == own_namespace_ || in_folder_.contains(inode) || of_containers_.contains(inode))
        return;
    if (!taken->process || !taken->process->container) {
        unnamed_.emplace(inode, taken->at);
        return;
    }
    of_containers_[inode] = *taken->process->container;
    news_.push_back({inode, *taken->process->container, taken->at});
}

// A name comes and goes with an entry of the folder. Its file is there before its mount is: after a
// change there is one more look.
bool NamespaceNames::has_changed() {
    struct stat status {};
    if (::stat(folder_.c_str(), &status) != 0)
        status.st_mtim = {};
    const bool is_same =
        status.st_mtim.tv_sec == modified_.tv_sec && status.st_mtim.tv_nsec == modified_.tv_nsec;
    modified_ = status.st_mtim;
    return !is_same;
}

void NamespaceNames::watch(model::Instant now) {
    const bool changed = has_changed();
    if (!changed && !wants_look_ && unnamed_.empty()) {
        watched_until_ = now;
        return;
    }
    look(now);
    wants_look_ = changed;
}

void NamespaceNames::look(model::Instant now) {
    const auto since = std::exchange(watched_until_, now).value_or(now);
    wants_look_ = false;
    std::map<std::uint32_t, std::string> there;
    std::error_code error;
    for (const auto &entry : std::filesystem::directory_iterator(folder_, error)) {
        struct stat status {};
        if (::stat(entry.path().c_str(), &status) != 0)
            continue;
        const auto inode = static_cast<std::uint32_t>(status.st_ino);
        const auto name = entry.path().filename().string();
        auto &kept = there[inode]; // of several names, always the same one
        if (kept.empty() || name < kept)
            kept = name;
    }
    there.erase(own_namespace_);
    for (const auto &[inode, name] : in_folder_) {
        const auto now_named = there.find(inode);
        if (now_named != there.end() && now_named->second == name)
            continue;
        news_.push_back({inode, "", since});
        if (now_named != there.end())
            news_.push_back({inode, now_named->second, now});
        of_containers_.erase(inode);
    }
    // An earlier instance may have known another one under that number.
    for (const auto &[inode, at] : std::exchange(unnamed_, {}))
        if (!there.contains(inode))
            news_.push_back({inode, "", at});
    for (const auto &[inode, name] : there)
        if (!in_folder_.contains(inode))
            news_.push_back({inode, name, since});
    in_folder_ = std::move(there);
}

std::vector<NamespaceName> NamespaceNames::take() {
    return std::exchange(news_, {});
}

} // namespace portd::capture
