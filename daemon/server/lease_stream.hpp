// The replies to History and List: one for each lease, for History also one for each bind failure,
// and a last one with the coverage.
//
// Leases and bind failures are fetched page by page, each in the order of time, and merged: no more
// goes out than both are known of. A page is fetched when the one before is on its way, so that an
// answer of any length takes the memory of one page of each. Nothing in the store is held open
// between pages.
//
// For the newest so many in the order of time, those are first passed over, newest first, and then
// told from where that ended.
#pragma once

#include "access.hpp"
#include "cursor.hpp"
#include "interval.hpp"
#include "model/history.hpp"
#include "silence.hpp"
#include "stream.hpp"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>

namespace portd::server {

struct LeaseQuestion {
    model::LeaseQuery query;
    std::optional<std::int64_t> limit;
    std::optional<std::int64_t> newest; // instead, of an answer with the oldest first
    std::optional<Cursor> after;        // of an earlier answer
    OthersOpen others = OthersOpen::cut;
    bool with_bind_failures = false;     // and with cursors
    bool withheld = false;               // there may be leases that the query leaves out
    bool recorded = true;                // leases of the ports that were asked for are kept
    std::optional<Interval> coverage_of; // absent: of the instant of the last reply
};

class LeaseStream final : public Stream {
  public:
    LeaseStream(LeaseQuestion question, const Caller &caller);

    // The next replies, framed. Can be empty before the end: a page may hold nothing that the
    // caller may see. Ends with the error StoreUnavailable if the history throws.
    std::string next(model::History &history, std::int64_t now_us) override;
    bool finished() const override { return finished_; }

    static constexpr std::size_t largest_page = 256;   // leases, or bind failures
    static constexpr std::size_t page_bytes = 1 << 18; // aimed at

  private:
    // What was fetched and not sent, in its order.
    template <typename Content, typename Place>
    struct Fetched {
        struct Entry {
            Content content;
            Place place{};
        };
        std::deque<Entry> entries;
        std::optional<Place> after;
        bool exhausted = false; // there is no more to fetch

        bool is_known() const { return exhausted || !entries.empty(); }
        bool is_over() const { return exhausted && entries.empty(); }
    };

    void go_back();
    void turn();
    void fetch(model::History &history);
    void append_fetched(std::string &out);
    bool lease_is_next() const;
    std::optional<proto::LeaseReply> take_lease();
    std::optional<proto::LeaseReply> take_bind_failure();
    void append(std::string &out, proto::LeaseReply reply);
    void append_last(std::string &out, model::History &history);
    void fit_page(std::size_t entries, std::size_t bytes);
    std::size_t page_limit() const;
    bool is_exhausted() const;

    LeaseQuestion question_;
    Caller caller_;
    bool goes_back_;                   // to the first of the newest
    Cursor sent_;                      // the last that went out, but for those that were cut
    std::optional<std::string> older_; // the cursor that goes on before the newest
    std::size_t page_ = 32;            // entries of the next page
    Fetched<proto::Lease, model::LeaseCursor> leases_;
    Fetched<proto::BindFailure, model::BindFailureCursor> bind_failures_;
    Silence silence_;
    bool finished_ = false; // the last reply was sent
};

} // namespace portd::server
