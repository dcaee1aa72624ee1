#include "store/reader.hpp"

#include "store/bind_failure_rows.hpp"
#include "store/database.hpp"
#include "store/in_the_way.hpp"
#include "store/lease_query.hpp"
#include "store/lease_rows.hpp"
#include "store/schema.hpp"
#include "store/user_names.hpp"
#include "store/wire_lease.hpp"

#include <algorithm>
#include <map>
#include <stdexcept>
#include <utility>

namespace portd::store {
namespace {

// A pid with more leases than this is met often enough by looking through all of them.
constexpr std::int64_t rare_leases = 4096;

std::unique_ptr<Database> open_read_only(const std::filesystem::path &state_directory) {
    auto database =
        std::make_unique<Database>(state_directory / "portd.db", Database::Access::read);
    database->on_close(Database::OnClose::leave);
    check_ownership(*database);
    database->execute("PRAGMA query_only = TRUE; PRAGMA cache_size = -4096; "
                      "PRAGMA temp_store = MEMORY");
    return database;
}

proto::Gap gap_of(const Execution &row) {
    return {row.optional_integer(0), row.optional_integer(1), row.text(2), row.optional_integer(3)};
}

} // namespace

struct Reader::State {
    std::unique_ptr<Database> database;
    std::optional<Present> present;
    LeaseRows rows;
    Statement last_freed;
    Statement leases_of_pid;
    Statement coverage_bounds;
    Statement coverage;
    Statement gaps;
    Statement newest_gaps;
    std::map<CandidateScan, Statement> scans; // as they are first needed
    BindFailureRows failure_rows;
    InTheWay in_the_way;
    std::map<std::pair<FailuresOf, bool>, Statement> failure_scans; // `true`: newest first
    UserNames names;

    struct FoundFailure {
        StoredBindFailure stored;
        std::optional<std::string> error;
        std::vector<LeaseRows::Stored> in_the_way;
    };

    State(const std::filesystem::path &state_directory, std::optional<Present> now);
    PidIs frequency(const model::LeaseQuery &query);
    Statement &scan(const CandidateScan &which);
    Statement &failure_scan(const model::LeaseQuery &query);
    FoundFailure find_failure(std::int64_t id);
    proto::Lease to_wire(const LeaseRows::Stored &stored);
    proto::BindFailure to_wire(const FoundFailure &found);
    std::optional<std::string> user_name(std::uint32_t uid) { return names.name(uid); }
};

Reader::State::State(const std::filesystem::path &state_directory, std::optional<Present> now)
    : database(open_read_only(state_directory)),
      present(now),
      rows(*database),
      last_freed(*database, last_freed_sql()),
      leases_of_pid(*database, "SELECT count(*) FROM (SELECT 1 FROM process AS p JOIN lease_holder "
                               "AS h ON h.process = p.id WHERE p.pid = ?1 LIMIT ?2)"),
      coverage_bounds(*database, "SELECT min(since_us), max(until_us) FROM coverage"),
      coverage(*database, "SELECT since_us, until_us, source FROM coverage "
                          "WHERE since_us <= ?1 AND (?2 IS NULL OR until_us >= ?2)"),
      gaps(*database,
           "SELECT g.since_us, g.until_us, t.value, g.lost_events FROM gap AS g JOIN text "
           "AS t ON t.id = g.cause WHERE (g.since_us IS NULL OR g.since_us <= ?1) "
           "AND (?2 IS NULL OR g.until_us IS NULL OR g.until_us >= ?2)"),
      newest_gaps(*database, "SELECT g.since_us, g.until_us, t.value, g.lost_events FROM gap AS g "
                             "JOIN text AS t ON t.id = g.cause ORDER BY g.id DESC LIMIT ?1"),
      failure_rows(*database, rows),
      in_the_way(*database) {}

PidIs Reader::State::frequency(const model::LeaseQuery &query) {
    if (!query.pid)
        return PidIs::common;
    Execution row(leases_of_pid);
    row.bind(*query.pid).bind(rare_leases + 1).next();
    return row.integer(0) > rare_leases ? PidIs::common : PidIs::rare;
}

Statement &Reader::State::scan(const CandidateScan &which) {
    const auto known = scans.find(which);
    if (known != scans.end())
        return known->second;
    return scans.emplace(which, Statement(*database, candidates_sql(which))).first->second;
}

Statement &Reader::State::failure_scan(const model::LeaseQuery &query) {
    const std::pair which{query.port ? FailuresOf::one_port : FailuresOf::any_port,
                          query.newest_first};
    const auto known = failure_scans.find(which);
    if (known != failure_scans.end())
        return known->second;
    return failure_scans
        .emplace(which, Statement(*database, bind_failures_sql(which.first, which.second)))
        .first->second;
}

proto::Lease Reader::State::to_wire(const LeaseRows::Stored &stored) {
    proto::Lease wire = store::to_wire(stored.lease, *stored.boot,
                                       [this](std::uint32_t uid) { return user_name(uid); });
    wire.network_namespace_name = stored.network_namespace_name;
    return wire;
}

proto::BindFailure Reader::State::to_wire(const FoundFailure &found) {
    const StoredBindFailure &stored = found.stored;
    proto::BindFailure wire = store::to_wire(stored.failure, *stored.boot,
                                             [this](std::uint32_t uid) { return user_name(uid); });
    wire.network_namespace_name = stored.network_namespace_name;
    wire.error = found.error;
    if (found.error)
        wire.error_provenance = Provenance::inferred;
    for (const LeaseRows::Stored &lease : found.in_the_way)
        wire.in_the_way.push_back(to_wire(lease));
    return wire;
}

Reader::State::FoundFailure Reader::State::find_failure(std::int64_t id) {
    FoundFailure found{failure_rows.bind_failure(id), {}, {}};
    Obstacles obstacles = in_the_way.find(found.stored);
    found.error = std::move(obstacles.error);
    for (const std::int64_t serial : obstacles.leases)
        found.in_the_way.push_back(rows.lease(serial));
    return found;
}

Reader::Reader(const std::filesystem::path &state_directory, std::optional<Present> present)
    : state_(std::make_unique<State>(state_directory, present)) {}

Reader::~Reader() = default;

model::LeasePage Reader::page(const model::LeaseQuery &query,
                              std::optional<model::LeaseCursor> after, std::size_t limit) {
    model::LeasePage page;
    std::vector<LeaseRows::Stored> found;
    {
        Transaction snapshot(*state_->database, Transaction::Kind::read);
        Execution row(state_->scan(choose_scan(query, state_->frequency(query))));
        bind_filters(row, query);
        bind_cursor(row, query, after);
        std::optional<model::LeaseCursor> reached = after;
        for (std::size_t examined = 0; row.next(); ++examined) {
            if (found.size() >= std::max<std::size_t>(limit, 1) || examined == max_examined) {
                page.next = reached;
                break;
            }
            reached = model::LeaseCursor{row.integer(1), row.integer(0)};
            if (row.integer(2) != 0)
                found.push_back(state_->rows.lease(reached->serial));
        }
    }
    state_->rows.forget_processes();
    // Outside of the transaction: the user database can keep us waiting.
    for (const LeaseRows::Stored &stored : found)
        page.leases.push_back(state_->to_wire(stored));
    return page;
}

model::BindFailurePage Reader::bind_failures(const model::LeaseQuery &query,
                                             std::optional<model::LeaseCursor> after,
                                             std::size_t limit) {
    model::BindFailurePage page;
    std::vector<State::FoundFailure> found;
    {
        Transaction snapshot(*state_->database, Transaction::Kind::read);
        Execution row(state_->failure_scan(query));
        bind_failures_query(row, query, after);
        std::optional<model::LeaseCursor> reached = after;
        for (std::size_t examined = 0; row.next(); ++examined) {
            if (found.size() >= std::max<std::size_t>(limit, 1) || examined == max_examined) {
                page.next = reached;
                break;
            }
            reached = model::LeaseCursor{row.integer(1), row.integer(0)};
            if (row.integer(2) != 0)
                found.push_back(state_->find_failure(reached->serial));
        }
    }
    state_->rows.forget_processes();
    for (const State::FoundFailure &failure : found)
        page.failures.push_back(state_->to_wire(failure));
    return page;
}

std::optional<proto::Lease> Reader::last_freed(const model::LeaseQuery &query) {
    if (!query.port)
        throw std::invalid_argument("the lease that was freed last: of which port?");
    std::optional<LeaseRows::Stored> found;
    {
        Transaction snapshot(*state_->database, Transaction::Kind::read);
        Execution row(state_->last_freed);
        bind_filters(row, query);
        row.bind(static_cast<std::int64_t>(max_examined));
        if (row.next())
            found = state_->rows.lease(row.integer(0));
    }
    state_->rows.forget_processes();
    if (!found)
        return std::nullopt;
    return state_->to_wire(*found);
}

proto::Coverage Reader::coverage(std::optional<std::int64_t> since_us, std::int64_t until_us) {
    CoverageRecords records;
    records.present = state_->present;
    {
        Transaction snapshot(*state_->database, Transaction::Kind::read);
        {
            Execution row(state_->coverage_bounds);
            row.next();
            records.first_us = row.optional_integer(0);
            records.last_us = row.optional_integer(1);
        }
        // An answer about the present is one about the end of the record.
        const std::optional<std::int64_t> since =
            since_us && records.last_us ? std::min(*since_us, *records.last_us) : since_us;
        Execution interval(state_->coverage);
        interval.bind(until_us).bind(since);
        while (interval.next()) {
            const std::int64_t source = interval.integer(2);
            if (source < 0 || source > static_cast<std::int64_t>(last_value<CaptureTier>))
                state_->database->damaged("coverage: source " + std::to_string(source));
            records.intervals.push_back(
                {interval.integer(0), interval.integer(1), static_cast<CaptureTier>(source)});
        }
        Execution gap(state_->gaps);
        gap.bind(until_us).bind(since);
        while (gap.next())
            records.gaps.push_back(gap_of(gap));
    }
    return assemble_coverage(std::move(records), since_us, until_us);
}

std::vector<proto::Gap> Reader::newest_gaps(std::size_t limit) {
    std::vector<proto::Gap> found;
    Execution row(state_->newest_gaps);
    row.bind(static_cast<std::int64_t>(std::min<std::size_t>(limit, 1 << 20)));
    while (row.next())
        found.push_back(gap_of(row));
    return found;
}

} // namespace portd::store
