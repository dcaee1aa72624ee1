// How far the store is carried over from an earlier version of portd: what an owner tells of it.
#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>

namespace portd::store {

struct UpgradeProgress {
    std::filesystem::path file; // about to be carried over: a second or a few for each 100 MB
    std::size_t ordinal = 0;    // from 1
    std::size_t count = 0;
};
using TellUpgrade = std::function<void(const UpgradeProgress &)>;

} // namespace portd::store
