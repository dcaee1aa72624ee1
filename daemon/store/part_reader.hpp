// Private to the store: one part, open for reading.
#pragma once

#include "model/history.hpp"
#include "proto/messages.hpp"
#include "store/bind_failure_rows.hpp"
#include "store/clock_table.hpp"
#include "store/database.hpp"
#include "store/lease_query.hpp"
#include "store/lease_rows.hpp"
#include "store/part.hpp"
#include "store/part_files.hpp"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

namespace portd::store {

class PartReader {
  public:
    PartReader(const std::filesystem::path &directory, const PartFile &file);

    const PartFile &file() const { return file_; }
    Database &database() { return database_; }
    const Part &part() const { return part_; }
    // Of the state that the part is in during a question: no other state of a part has that number.
    std::uint64_t state() const { return state_; }
    LeaseRows &rows() { return rows_; }
    BindFailureRows &bind_failures() { return bind_failure_rows_; }

    // Before each question: what is read until end() is one state of the part. Whether much was
    // freed: what was kept for the next question is bounded, because there are many parts.
    void begin();
    bool end();
    // Frees the pages that are kept of a sealed part: the kernel has them, too.
    void shrink();

    // How many of its pages stay in memory. `wide`: for a question that goes to and fro in it.
    enum class Cache { usual, wide };
    void keep(Cache cache);

    // Adds what the part tells of the wall clock.
    void read_clock(WallTimes &walls);
    // Whether it may tell more than it did.
    bool may_tell_of_clock() const { return may_tell_of_clock_; }

    // The statement of that text, prepared once. It lives until end() at the least.
    Statement &statement(const std::string &sql);

    // The serial of the lease of the query's port that was freed last.
    std::optional<std::int64_t> last_freed(const model::LeaseQuery &query, Holdings holdings);

    // Intervals of coverage, and gaps, that touch [since, until].
    std::vector<proto::CoverageInterval> coverage(std::optional<std::int64_t> since_us,
                                                  std::int64_t until_us);
    std::vector<proto::Gap> gaps(std::optional<std::int64_t> since_us, std::int64_t until_us);
    // The gap that was recorded last comes first.
    std::vector<proto::Gap> newest_gaps(std::size_t limit);
    // Those with a greater id, by id.
    std::vector<model::NumberedGap> gaps_after(std::int64_t id, std::size_t limit);
    // As this part has it; without the numbers of gaps.
    model::Horizon horizon(model::Settled settled);
    // Of its leases; the least number there is if it has none.
    std::int64_t newest_serial();
    // Whether it has a boot whose identifier begins so.
    bool knows_boot(const std::string &beginning);
    struct Bounds {
        std::optional<std::int64_t> first_us;
        std::optional<std::int64_t> last_us;
    };
    Bounds coverage_bounds();

  private:
    Bounds read_bounds(const std::string &sql);
    // Of all gaps; one without a begin or an end goes as far as numbers do.
    Bounds gap_bounds();
    template <typename Value, typename Read>
    Value unchanging(std::optional<Value> &known, Read read) const;

    PartFile file_;
    Database database_;
    std::optional<Transaction> snapshot_; // sealed parts need none
    std::int64_t version_;                // of what the database holds, as this connection counts
    std::uint64_t state_;
    Part part_;
    bool may_tell_of_clock_ = true;
    // Of a sealed part, once it was asked for.
    std::optional<std::int64_t> newest_serial_;
    std::optional<Bounds> coverage_bounds_;
    std::optional<Bounds> gap_bounds_;
    Cache cache_ = Cache::usual;
    bool was_wide_ = false; // in this question
    LeaseRows rows_;
    BindFailureRows bind_failure_rows_;
    struct Prepared {
        std::unique_ptr<Statement> statement;
        std::uint64_t last_question = 0;
    };

    std::uint64_t question_ = 0;
    std::unordered_map<std::string, Prepared> statements_;
    std::size_t statement_bytes_ = 0; // of their text
};

} // namespace portd::store
