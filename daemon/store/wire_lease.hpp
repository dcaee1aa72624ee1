// Leases and bind failures as they travel: the model's times on CLOCK_BOOTTIME become what the wall
// clock showed then.
#pragma once

#include "model/bind_failure.hpp"
#include "model/lease.hpp"
#include "proto/messages.hpp"
#include "store/boot.hpp"
#include "store/wall_times.hpp"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

namespace portd::store {

using UserName = std::function<std::optional<std::string>(std::uint32_t uid)>;

// "<boot id without dashes>-<namespace>-<c|i|t><key, hexadecimal>-<first observed, hexadecimal>":
// the boot id is unique over all hosts, the rest within the boot.
std::string wire_id(const model::LeaseId &id, const std::string &boot_id);

// The times of a boot.
struct Times {
    const StoredBoot &boot;
    const WallTimes &walls;
};

proto::Lease to_wire(const model::Lease &lease, const Times &times, const UserName &user_name);
// Without what follows from the leases of that instant.
proto::BindFailure to_wire(const model::BindFailure &failure, const Times &times,
                           const UserName &user_name);

} // namespace portd::store
