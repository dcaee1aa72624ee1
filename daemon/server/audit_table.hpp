// Leases and bind failures summed up by what they have in common: program, unit, user or peer.
// Pure.
//
// Memory is bounded: the first `most_groups` groups are counted each, exactly; what belongs to any
// group that appears later is counted together, as `other`.
#pragma once

#include "durations.hpp"
#include "proto/messages.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

namespace portd::server {

class AuditTable {
  public:
    static constexpr std::size_t most_groups = proto::AuditRequest::most_groups;

    explicit AuditTable(AuditBy by) : by_(by) {}

    // The number of the group that the lease belongs to; all that are not told apart have one.
    std::size_t group_number(const proto::Lease &lease);
    void add(const proto::Lease &lease);
    void add(const proto::BindFailure &failure);

    // The first `limit` groups in that order, and all else together, if there is any.
    struct Summary {
        std::vector<proto::AuditGroup> groups;
        std::optional<proto::AuditGroup> other;
        std::int64_t groups_in_other = 0; // that were told apart
    };
    Summary summary(AuditOrder order, std::size_t limit) const;

  private:
    struct Group {
        proto::AuditGroup told; // all but durations and outcomes
        Durations durations;
        std::array<std::int64_t, 6> outcomes{}; // by the value of Outcome
    };

    std::size_t number_of(const proto::AuditGroup &named);
    Group &group_of(const proto::AuditGroup &named);
    static void add(Group &sum, const Group &group);
    static proto::AuditGroup told(const Group &group);

    AuditBy by_;
    std::vector<Group> groups_;
    std::unordered_map<std::string, std::size_t> by_key_;
    std::optional<Group> overflow_;
};

} // namespace portd::server
