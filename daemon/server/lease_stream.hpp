// The replies to History and List: one for each lease, and a last one with the coverage.
//
// Leases are fetched page by page, and a page is fetched when the one before is on its way, so that
// an answer of any length takes the memory of one page. Nothing in the store is held open between
// pages.
#pragma once

#include "access.hpp"
#include "interval.hpp"
#include "model/history.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

namespace portd::server {

struct LeaseQuestion {
    model::LeaseQuery query;
    std::optional<std::int64_t> limit;
    OthersOpen others = OthersOpen::cut;
    bool withheld = false;               // there may be leases that the query leaves out
    bool recorded = true;                // leases of the ports that were asked for are kept
    std::optional<Interval> coverage_of; // absent: of the instant of the last reply
};

class LeaseStream {
  public:
    LeaseStream(LeaseQuestion question, const Caller &caller);

    // The next replies, framed. Can be empty before the end: a page may hold nothing that the
    // caller may see. Ends with the error StoreUnavailable if the history throws.
    std::string next(model::History &history, std::int64_t now_us);
    bool finished() const { return finished_; }

    static constexpr std::size_t largest_page = 256;   // leases
    static constexpr std::size_t page_bytes = 1 << 18; // aimed at

  private:
    void append_page(std::string &out, model::History &history);
    void append_last(std::string &out, model::History &history, std::int64_t now_us);
    void fit_page(std::size_t leases, std::size_t bytes);
    std::size_t page_limit() const;

    LeaseQuestion question_;
    Caller caller_;
    std::size_t page_ = 32; // leases of the next page
    std::optional<model::LeaseCursor> after_;
    bool exhausted_ = false; // all leases were sent
    bool finished_ = false;  // and the last reply
};

} // namespace portd::server
