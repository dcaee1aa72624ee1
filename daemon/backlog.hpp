// What was seen and is not stored yet, and the attempts to store it.
//
// While the store takes nothing, this is what grows: up to a bound, beyond which the oldest is
// counted as lost and is a gap. Of a lease only the latest state counts. What the kernel told stays
// in its ring all the while, since the ring's room is given back only for what is stored; when that
// is full, the kernel counts what finds no room. Attempts become rarer, and each change is logged
// once.
#pragma once

#include "model/ledger.hpp"
#include "store/writer.hpp"
#include "system/message.hpp"

#include <cstddef>
#include <cstdint>
#include <exception>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace portd {

class Backlog {
  public:
    using Report = system::Report;
    // `writer` lives longer. Nothing is seen before `begin`.
    Backlog(store::Writer &writer, model::Instant begin, Report report = system::report);

    void add_leases(std::vector<model::Lease> leases);
    // What has changed in the ledger, whose notes go to `notes`, if they are wanted.
    void take_changes(model::Ledger &ledger, model::LedgerNotes *notes);
    // While the store fails, those of one cause are one gap.
    void add_gap(proto::Gap gap);
    void add_bind_failure(model::BindFailure failure);
    void add_namespace_name(store::NamespaceName name);

    // Everything in one transaction, unless it is too early for another attempt. Whether it is
    // stored. `ledger` is asked for what goes on, where that is not in the store any more.
    bool store(const model::Ledger &ledger, const std::optional<store::Watched> &watched,
               const std::optional<model::RingMark> &mark, const store::ClockReading &clock);

    // The next attempt is not too early.
    void hurry() { next_attempt_ = {}; }

    struct Failure {
        std::string reason;
        std::int64_t since_us = 0; // what was seen since then is not stored; in row time
        std::int64_t lost = 0;     // of what was seen
    };
    const std::optional<Failure> &failure() const { return failure_; }
    std::size_t waiting() const { return leases_.size() + bind_failures_.size(); }
    // Since the start.
    std::int64_t lost() const { return lost_; }

  private:
    store::Batch batch(const std::optional<store::Watched> &watched,
                       const std::optional<model::RingMark> &mark,
                       const store::ClockReading &clock) const;
    void recover(const model::Ledger &ledger);
    void have_failed(const std::exception &fault, model::Instant now);
    void have_stored(const std::optional<store::Watched> &watched);
    void keep_latest();
    void keep_bound(model::Instant now);
    void log_notices();

    store::Writer &writer_;
    const Report report_;
    std::vector<model::Lease> leases_;
    std::vector<proto::Gap> gaps_;
    std::vector<model::BindFailure> bind_failures_;
    std::vector<store::NamespaceName> namespace_names_;

    std::int64_t stored_until_us_; // what was seen before it is stored
    std::optional<Failure> failure_;
    model::Instant next_attempt_{};
    model::Duration pause_{};
    std::int64_t lost_ = 0;
};

} // namespace portd
