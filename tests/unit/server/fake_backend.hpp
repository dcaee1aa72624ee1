// A history held in memory, and a daemon that says what it is told to.
#pragma once

#include "model/history.hpp"

#include <algorithm>
#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace portd::server {

inline proto::Moment observed(std::int64_t usec) {
    proto::Moment moment;
    moment.usec = usec;
    moment.provenance = Provenance::observed;
    return moment;
}

inline proto::Process process(std::int64_t pid) {
    proto::Process process;
    process.provenance = Provenance::observed;
    process.pid = pid;
    process.command = "holder";
    process.arguments = "--password secret";
    return process;
}

inline proto::Lease open_lease(const std::string &id, std::int64_t port, std::int64_t uid,
                               std::int64_t opened_usec) {
    proto::Lease lease;
    lease.id = id;
    lease.boot_id = "b";
    lease.cookie = "9";
    lease.local_address = "192.0.2.1";
    lease.local_port = port;
    lease.peer_address = "192.0.2.2";
    lease.peer_port = 443;
    lease.network_namespace = 7;
    lease.role = Role::client;
    lease.port_choice = PortChoice::automatic;
    lease.phase = Phase::connected;
    lease.opened = observed(opened_usec);
    lease.uid = uid;
    lease.user = "u" + std::to_string(uid);
    lease.opener = lease.last_holder = process(812);
    lease.holders = {process(812)};
    lease.bytes_sent = 10;
    lease.bytes_received = 20;
    return lease;
}

inline proto::Lease freed_lease(const std::string &id, std::int64_t port, std::int64_t uid,
                                std::int64_t opened_usec, std::int64_t freed_usec) {
    proto::Lease lease = open_lease(id, port, uid, opened_usec);
    lease.phase = Phase::freed;
    lease.outcome = Outcome::closed;
    lease.closed = lease.freed = observed(freed_usec);
    return lease;
}

inline proto::BindFailure bind_failure(std::int64_t port, std::int64_t uid, std::int64_t at_usec) {
    proto::BindFailure failure;
    failure.boot_id = "b";
    failure.at_usec = at_usec;
    failure.local_address = "192.0.2.1";
    failure.local_port = port;
    failure.network_namespace = 7;
    failure.uid = uid;
    failure.process = process(900);
    return failure;
}

class FakeHistory : public model::History {
  public:
    std::vector<proto::Lease> leases;         // in the order of opening; all times observed
    std::vector<proto::BindFailure> failures; // in the order of time
    std::vector<proto::Gap> gaps;
    std::vector<proto::ClockStep> clock_steps;
    proto::Coverage watched;
    std::atomic<bool> broken = false;
    std::atomic<std::size_t> broken_from_page = SIZE_MAX;

    std::function<void()> on_page = [] {};

    // Held by each call, and by a test that changes what the server's thread reads.
    std::recursive_mutex mutex;

    std::atomic<std::size_t> pages = 0;
    std::atomic<std::size_t> largest_limit = 0;
    model::LeaseQuery last_query;
    std::optional<std::int64_t> coverage_since;
    std::optional<std::int64_t> coverage_until;
    std::size_t asked_of_present = 0;

    // The cursor is the number of the lease that was looked at last, from 1 in the order of time. A
    // page looks at no more than `limit` of them, and so can hold less.
    struct Looking {
        bool newest_first;
        std::size_t all;
        std::size_t index(std::size_t i) const { return newest_first ? all - 1 - i : i; }
        std::int64_t place(std::size_t i) const { return static_cast<std::int64_t>(index(i) + 1); }
        std::size_t begin(std::optional<std::int64_t> after) const {
            if (!after)
                return 0;
            const auto number = static_cast<std::size_t>(*after);
            return newest_first ? all + 1 - number : number;
        }
    };
    model::LeasePage page(const model::LeaseQuery &query, std::optional<model::LeaseCursor> after,
                          std::size_t limit) override {
        const std::scoped_lock lock(mutex);
        check();
        last_query = query;
        on_page();
        if (++pages > broken_from_page)
            throw std::runtime_error("page unreadable");
        largest_limit = std::max<std::size_t>(largest_limit, limit);
        const Looking looking{query.newest_first, leases.size()};
        const std::size_t begin = looking.begin(after);
        const std::size_t end = std::min(begin + limit, leases.size());
        model::LeasePage page;
        for (std::size_t i = begin; i < end; ++i) {
            const auto &lease = leases[looking.index(i)];
            if (!admits(query, lease))
                continue;
            page.leases.push_back(lease);
            page.places.push_back(looking.place(i));
        }
        if (end < leases.size())
            page.next = looking.place(end - 1);
        return page;
    }

    model::BindFailurePage bind_failures(const model::LeaseQuery &query,
                                         std::optional<model::BindFailureCursor> after,
                                         std::size_t limit) override {
        const std::scoped_lock lock(mutex);
        check();
        const Looking looking{query.newest_first, failures.size()};
        const std::size_t begin =
            looking.begin(after ? std::optional(after->number) : std::nullopt);
        const std::size_t end = std::min(begin + limit, failures.size());
        model::BindFailurePage page;
        for (std::size_t i = begin; i < end; ++i) {
            const auto &failure = failures[looking.index(i)];
            if (!admits(query, failure))
                continue;
            page.failures.push_back(failure);
            page.places.push_back({0, looking.place(i)});
        }
        if (end < failures.size())
            page.next = model::BindFailureCursor{0, looking.place(end - 1)};
        return page;
    }

    // One lease a page.
    model::FlowPage leases_of_flows(const std::vector<model::FlowEnd> &ends,
                                    const std::optional<model::FlowPlace> &after,
                                    std::optional<std::uint32_t> visible_to_uid) override {
        const std::scoped_lock lock(mutex);
        check();
        const std::size_t at = after ? after->port : 0;
        model::FlowPage page;
        if (at < leases.size()) {
            model::LeaseQuery query;
            query.visible_to_uid = visible_to_uid;
            page.examined = 1;
            model::LeaseOfFlows found{leases[at], {}};
            for (std::size_t end = 0; end < ends.size(); ++end) {
                query.port = ends[end].port;
                query.since_us = ends[end].since_us;
                query.until_us = ends[end].until_us;
                if (admits(query, found.lease))
                    found.ends.push_back(end);
            }
            if (!found.ends.empty())
                page.leases.push_back(std::move(found));
        }
        if (at + 1 < leases.size())
            page.next = model::FlowPlace{.port = at + 1};
        return page;
    }

    std::optional<proto::Lease> last_freed(const model::LeaseQuery &query) override {
        const std::scoped_lock lock(mutex);
        check();
        std::optional<proto::Lease> last;
        for (const proto::Lease &lease : leases)
            if (lease.freed && admits(query, lease) &&
                (!last || *last->freed->usec < *lease.freed->usec))
                last = lease;
        return last;
    }

    proto::Coverage coverage(std::optional<std::int64_t> since_us,
                             std::optional<std::int64_t> until_us) override {
        const std::scoped_lock lock(mutex);
        check();
        coverage_since = since_us;
        coverage_until = until_us;
        return watched;
    }

    proto::Coverage present_coverage() override {
        const std::scoped_lock lock(mutex);
        check();
        ++asked_of_present;
        return watched;
    }

    std::vector<proto::ClockStep> newest_clock_steps(std::size_t limit) override {
        check();
        return {clock_steps.end() -
                    static_cast<std::ptrdiff_t>(std::min(limit, clock_steps.size())),
                clock_steps.end()};
    }

    std::vector<proto::Gap> newest_gaps(std::size_t limit) override {
        const std::scoped_lock lock(mutex);
        check();
        return {gaps.begin(),
                gaps.begin() + static_cast<std::ptrdiff_t>(std::min(limit, gaps.size()))};
    }

    std::vector<proto::VerifyReply> verification; // what verify() tells, and nothing first
    bool is_verifying = false;

    std::unique_ptr<model::Verification> verify() override {
        class Told final : public model::Verification {
          public:
            explicit Told(std::vector<proto::VerifyReply> replies) : replies_(std::move(replies)) {}
            std::optional<proto::VerifyReply> next() override {
                if (std::exchange(is_first_, false))
                    return std::nullopt;
                if (at_ == replies_.size())
                    throw std::runtime_error("file unreadable");
                return replies_[at_++];
            }

          private:
            std::vector<proto::VerifyReply> replies_;
            std::size_t at_ = 0;
            bool is_first_ = true;
        };
        if (is_verifying)
            return nullptr;
        return std::make_unique<Told>(verification);
    }

    // What is recorded, as the order of ends has it: leases stand at the moment at which they were
    // freed.
    model::Horizon reached;
    std::vector<model::NumberedGap> numbered_gaps;
    model::Missing missing;

    model::Horizon horizon(model::Settled settled) override {
        const std::scoped_lock lock(mutex);
        check();
        model::Horizon horizon = reached;
        if (settled == model::Settled::final_state)
            horizon.end.at_us -= settling_us;
        return horizon;
    }
    static constexpr std::int64_t settling_us = 5;

    std::vector<model::NumberedGap> gaps_after(std::int64_t number, std::size_t limit) override {
        const std::scoped_lock lock(mutex);
        check();
        std::vector<model::NumberedGap> found;
        for (const auto &gap : numbered_gaps)
            if (gap.number > number && found.size() < limit)
                found.push_back(gap);
        return found;
    }

    model::Missing missing_after(const model::EndMark &mark,
                                 std::optional<model::LeaseCursor>) override {
        const std::scoped_lock lock(mutex);
        check();
        return mark.is_before_all() ? model::Missing{} : missing;
    }

  private:
    void check() const {
        if (broken)
            throw std::runtime_error("store unreadable");
    }

    static bool admits(const model::LeaseQuery &query, const proto::BindFailure &failure) {
        return (!query.port || failure.local_port == *query.port) &&
               (!query.protocol || failure.protocol == *query.protocol) &&
               (!query.pid || failure.process.pid == *query.pid) && !query.outcome &&
               (!query.until_us || failure.at_usec <= *query.until_us) &&
               (!query.since_us || failure.at_usec >= *query.since_us) &&
               (!query.visible_to_uid || failure.uid == *query.visible_to_uid);
    }

    static bool is_in(const model::EndWindow &window, const proto::Lease &lease) {
        if (!lease.freed)
            return false;
        return *lease.freed->usec > window.after.at_us && *lease.freed->usec <= window.by.at_us;
    }

    static bool admits(const model::LeaseQuery &query, const proto::Lease &lease) {
        const bool of_pid = std::ranges::any_of(
            lease.holders, [&](const proto::Process &holder) { return holder.pid == query.pid; });
        return (!query.port || lease.local_port == *query.port) &&
               (!query.protocol || lease.protocol == *query.protocol) && (!query.pid || of_pid) &&
               (!query.outcome || lease.outcome == query.outcome) &&
               (!query.uid || lease.uid == std::int64_t{*query.uid}) &&
               (!query.open_only || !lease.freed) && (!query.ended || is_in(*query.ended, lease)) &&
               (!query.until_us || *lease.opened.usec <= *query.until_us) &&
               (!query.since_us || !lease.freed || *lease.freed->usec >= *query.since_us) &&
               (!query.visible_to_uid || !lease.freed || lease.uid == *query.visible_to_uid);
    }
};

class FakeDaemon : public model::Daemon {
  public:
    proto::Status now;
    model::NamespacePorts ports;
    model::KnownPorts foreign_ports;

    proto::Status status() const override { return now; }
    model::NamespacePorts namespace_ports() const override { return ports; }
    std::shared_ptr<const model::KnownPorts> known_ports() const override {
        auto known = std::make_shared<model::KnownPorts>(foreign_ports);
        known->emplace(static_cast<std::uint32_t>(now.network_namespace), ports);
        return known;
    }
    bool records(std::uint16_t port) const override { return port >= 32768; }
};

} // namespace portd::server
