#include "store/part_reader.hpp"

#include "model/ledger.hpp"
#include "store/schema.hpp"

#include <algorithm>
#include <atomic>
#include <limits>

namespace portd::store {
namespace {

constexpr const char *usual_cache_of_sealed = "PRAGMA cache_size = -64";
constexpr const char *wide_cache_of_sealed = "PRAGMA cache_size = -1024";

Database open_part(const std::filesystem::path &directory, const PartFile &file) {
    Database database(path_of(directory, file),
                      file.is_sealed ? Database::Access::sealed : Database::Access::read);
    database.on_close(Database::OnClose::leave);
    check_ownership(database);
    // There can be many sealed parts, and what was read of them is in the kernel's cache.
    database.execute(std::string("PRAGMA query_only = TRUE; PRAGMA temp_store = MEMORY; ") +
                     (file.is_sealed ? usual_cache_of_sealed : "PRAGMA cache_size = -4096"));
    return database;
}

proto::Gap gap_of(const Execution &row) {
    return {row.optional_integer(0), row.optional_integer(1), row.text(2), row.optional_integer(3)};
}

std::vector<proto::Gap> gaps_of(Execution &row) {
    std::vector<proto::Gap> found;
    while (row.next())
        found.push_back(gap_of(row));
    return found;
}

// It changes when another connection has written (sqlite.org/pragma.html#pragma_data_version).
constexpr const char *select_version = "PRAGMA data_version";

std::uint64_t next_state() {
    static std::atomic<std::uint64_t> last = 0;
    return ++last;
}

// What is kept between questions. A statement takes some 20 times its text, a flow or process 1
// KiB.
struct Kept {
    std::size_t statement_bytes; // of text
    std::size_t flows;
    std::size_t processes;
};
constexpr Kept of_sealed{4 << 10, 25, 25};
constexpr Kept of_sealed_for_flows{8 << 10, 300, 500};
constexpr Kept of_written{64 << 10, 1'000, 2'000};

bool touches(const PartReader::Bounds &bounds, std::optional<std::int64_t> since_us,
             std::int64_t until_us) {
    return bounds.first_us && *bounds.first_us <= until_us &&
           (!since_us || *bounds.last_us >= *since_us);
}

constexpr const char *select_gaps =
    "SELECT g.since_us, g.until_us, t.value, g.lost_events FROM gap AS g JOIN text AS t ON t.id = "
    "g.cause ";

} // namespace

PartReader::PartReader(const std::filesystem::path &directory, const PartFile &file)
    : file_(file),
      database_(open_part(directory, file)),
      version_(database_.integer(select_version)),
      state_(next_state()),
      part_(read_part(database_)),
      rows_(database_, part_),
      bind_failure_rows_(database_, rows_) {}

// The writer completes the row of the part, and moves on what is indexed.
void PartReader::begin() {
    ++question_;
    was_wide_ = false;
    if (file_.is_sealed)
        return;
    snapshot_.emplace(database_, Transaction::Kind::read);
    Execution row(statement(select_version));
    row.next();
    const std::int64_t version = row.integer(0);
    if (version == version_)
        return;
    version_ = version;
    state_ = next_state();
    part_ = read_part(database_);
    may_tell_of_clock_ = true;
}

// Rows of flows and processes never change, and most leases are of few of them.
bool PartReader::end() {
    snapshot_.reset();
    const Kept &most = !file_.is_sealed ? of_written : was_wide_ ? of_sealed_for_flows : of_sealed;
    const bool has_many_statements = statement_bytes_ > most.statement_bytes;
    if (has_many_statements) {
        std::erase_if(statements_, [&](const auto &one) {
            const bool is_old = one.second.last_question != question_;
            statement_bytes_ -= is_old ? one.first.size() : 0;
            return is_old;
        });
        if (statement_bytes_ > most.statement_bytes) {
            statements_.clear();
            statement_bytes_ = 0;
        }
    }
    const bool has_many_rows = rows_.forget_beyond(most.flows, most.processes);
    return has_many_statements || has_many_rows;
}

void PartReader::shrink() {
    if (file_.is_sealed)
        database_.execute("PRAGMA shrink_memory");
}

void PartReader::keep(Cache cache) {
    was_wide_ = was_wide_ || cache == Cache::wide;
    if (!file_.is_sealed || cache == cache_)
        return;
    database_.execute(cache == Cache::wide ? wide_cache_of_sealed : usual_cache_of_sealed);
    cache_ = cache;
}

void PartReader::read_clock(WallTimes &walls) {
    read_wall_times(database_, walls);
    may_tell_of_clock_ = false;
}

Statement &PartReader::statement(const std::string &sql) {
    Prepared &known = statements_[sql];
    if (!known.statement) {
        known.statement = std::make_unique<Statement>(database_, sql);
        statement_bytes_ += sql.size();
    }
    known.last_question = question_;
    return *known.statement;
}

// Most leases were freed about when they were filed, so the newest ones decide.
std::optional<std::int64_t> PartReader::last_freed(const model::LeaseQuery &query,
                                                   Holdings holdings) {
    std::optional<std::int64_t> serial;
    std::optional<std::int64_t> last_us;
    for (const FreedLeases &leases : by_freedom(query, part_, holdings)) {
        Execution row(statement(leases.sql.text));
        bind(row, leases.sql);
        while (row.next()) {
            const std::int64_t found = part_.serial_of(row.integer(0));
            const auto freed_us = row.optional_integer(1);
            if (leases.reach_us && last_us && part_.moment_us(found) < *last_us - *leases.reach_us)
                break;
            if (serial && freed_us <= last_us)
                continue;
            serial = found;
            last_us = freed_us;
        }
    }
    return serial;
}

std::vector<proto::CoverageInterval> PartReader::coverage(std::optional<std::int64_t> since_us,
                                                          std::int64_t until_us) {
    std::vector<proto::CoverageInterval> found;
    if (file_.is_sealed && !touches(coverage_bounds(), since_us, until_us))
        return found;
    Execution row(statement("SELECT since_us, until_us, source FROM coverage "
                            "WHERE since_us <= ?1 AND (?2 IS NULL OR until_us >= ?2)"));
    row.bind(until_us).bind(since_us);
    while (row.next()) {
        const std::int64_t source = row.integer(2);
        if (source < 0 || source > static_cast<std::int64_t>(last_value<CaptureTier>))
            database_.damaged("coverage: source " + std::to_string(source));
        found.push_back({row.integer(0), row.integer(1), static_cast<CaptureTier>(source)});
    }
    return found;
}

std::vector<proto::Gap> PartReader::gaps(std::optional<std::int64_t> since_us,
                                         std::int64_t until_us) {
    if (file_.is_sealed && !touches(gap_bounds(), since_us, until_us))
        return {};
    Execution row(statement(std::string(select_gaps) +
                            "WHERE (g.since_us IS NULL OR g.since_us <= ?1) "
                            "AND (?2 IS NULL OR g.until_us IS NULL OR g.until_us >= ?2)"));
    return gaps_of(row.bind(until_us).bind(since_us));
}

std::vector<proto::Gap> PartReader::newest_gaps(std::size_t limit) {
    if (file_.is_sealed && !gap_bounds().first_us)
        return {};
    Execution row(statement(std::string(select_gaps) + "ORDER BY g.id DESC LIMIT ?1"));
    return gaps_of(row.bind(static_cast<std::int64_t>(std::min<std::size_t>(limit, 1 << 20))));
}

std::vector<model::NumberedGap> PartReader::gaps_after(std::int64_t id, std::size_t limit) {
    Execution row(statement("SELECT g.since_us, g.until_us, t.value, g.lost_events, g.id FROM gap "
                            "AS g JOIN text AS t ON t.id = g.cause WHERE g.id > ?1 ORDER BY g.id "
                            "LIMIT ?2"));
    row.bind(id).bind(static_cast<std::int64_t>(std::min<std::size_t>(limit, 1 << 20)));
    std::vector<model::NumberedGap> found;
    while (row.next())
        found.push_back({row.integer(4), gap_of(row)});
    return found;
}

// The latest that coverage tells of is the beginning of a sample that is stored whole.
model::Horizon PartReader::horizon(model::Settled settled) {
    model::Horizon horizon;
    Execution row(
        statement("SELECT (SELECT lower(substr(uuid, 1, 8)) FROM boot ORDER BY id DESC LIMIT 1), "
                  "(SELECT max(until_us) FROM coverage), (SELECT max(id) FROM lease), "
                  "(SELECT max(id) FROM gap)"));
    row.next();
    const std::int64_t still_changing_us =
        settled == model::Settled::final_state
            ? model::to_us(model::Instant{} + model::Ledger::reorder_window)
            : 0;
    if (const auto until_us = row.optional_integer(1)) {
        horizon.end.boot_id = row.optional_text(0).value_or("");
        horizon.end.at_us = *until_us - still_changing_us;
    }
    // Leases that were taken along have ids that are not positive.
    horizon.last_serial =
        part_.serial_of(std::max<std::int64_t>(row.optional_integer(2).value_or(0), 0));
    horizon.end.last_serial = horizon.last_serial;
    horizon.last_gap = row.optional_integer(3).value_or(0);
    return horizon;
}

template <typename Value, typename Read>
Value PartReader::unchanging(std::optional<Value> &known, Read read) const {
    if (known)
        return *known;
    const Value value = read();
    if (file_.is_sealed)
        known = value;
    return value;
}

std::int64_t PartReader::newest_serial() {
    return unchanging(newest_serial_, [&] {
        Execution row(statement("SELECT max(id) FROM lease"));
        row.next();
        const auto id = row.optional_integer(0);
        return id ? part_.serial_of(*id) : std::numeric_limits<std::int64_t>::min();
    });
}

bool PartReader::knows_boot(const std::string &beginning) {
    Execution row(statement("SELECT 1 FROM boot WHERE lower(substr(uuid, 1, 8)) = ?1"));
    return row.bind(beginning).next();
}

PartReader::Bounds PartReader::read_bounds(const std::string &sql) {
    Execution row(statement(sql));
    row.next();
    return {row.optional_integer(0), row.optional_integer(1)};
}

PartReader::Bounds PartReader::coverage_bounds() {
    return unchanging(coverage_bounds_, [&] {
        return read_bounds("SELECT min(since_us), max(until_us) FROM coverage");
    });
}

PartReader::Bounds PartReader::gap_bounds() {
    return unchanging(gap_bounds_, [&] {
        return read_bounds("SELECT min(ifnull(since_us, -9223372036854775808)), "
                           "max(ifnull(until_us, 9223372036854775807)) FROM gap");
    });
}

} // namespace portd::store
