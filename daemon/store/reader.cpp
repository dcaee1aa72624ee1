#include "store/reader.hpp"

#include "store/in_the_way.hpp"
#include "store/merge.hpp"
#include "store/part_files.hpp"
#include "store/part_reader.hpp"
#include "store/part_set.hpp"
#include "store/user_names.hpp"
#include "store/wire_lease.hpp"

#include <algorithm>
#include <iterator>
#include <limits>
#include <map>
#include <ranges>
#include <stdexcept>
#include <string>
#include <tuple>
#include <utility>

namespace portd::store {
namespace {

// Processes with more leases than this are met often enough by looking through all of them.
constexpr std::int64_t few_leases = 4096;

// Leases that may have been in the way of a bind are looked at: so many listeners, so many others.
constexpr std::size_t most_obstacles = 512;

std::unique_ptr<Execution> run(PartReader &part, const BoundSql &sql,
                               std::optional<std::int64_t> last_value = std::nullopt) {
    auto execution = std::make_unique<Execution>(part.statement(sql.text));
    bind(*execution, sql);
    if (last_value)
        execution->bind(*last_value);
    return execution;
}

} // namespace

struct Reader::State {
    PartSet set;
    const PresentNow present;
    UserNames names;

    // A bind failure that a page shows.
    struct FoundFailure {
        StoredBindFailure stored;
        Obstacles obstacles;
    };

    PartSet::Parts &parts() { return set.parts(); }
    CoverageRecords coverage_records(std::optional<std::int64_t> since_us, std::int64_t until_us);
    void add_holes(CoverageRecords &records);
    Holdings holdings(const PartReader &part) const;
    LeasesOfProcesses frequency(PartReader &part, const model::LeaseQuery &query);
    Merge leases(const model::LeaseQuery &query, std::optional<model::LeaseCursor> after);
    bool may_have_had_port(const StoredBindFailure &failure, std::optional<Role> role,
                           std::vector<LeaseRows::Stored> &found);
    FoundFailure find_failure(const Candidate &candidate);
    proto::Lease to_wire(const LeaseRows::Stored &stored);
    proto::BindFailure to_wire(const FoundFailure &found);
    std::optional<std::string> user_name(std::uint32_t uid) { return names.name(uid); }
};

Holdings Reader::State::holdings(const PartReader &part) const {
    if (part.file().is_sealed)
        return Holdings::sealed;
    return set.is_current(part) ? Holdings::current : Holdings::given_up;
}

LeasesOfProcesses Reader::State::frequency(PartReader &part, const model::LeaseQuery &query) {
    const auto count = count_leases_of_processes(query, part.part(), few_leases + 1);
    if (!count)
        return LeasesOfProcesses::many;
    const auto row = run(part, *count);
    row->next();
    return row->integer(0) > few_leases ? LeasesOfProcesses::many : LeasesOfProcesses::few;
}

Merge Reader::State::leases(const model::LeaseQuery &query,
                            std::optional<model::LeaseCursor> after) {
    using Limits = std::numeric_limits<std::int64_t>;
    Merge merge(query.newest_first ? Merge::Order::descending : Merge::Order::ascending);
    for (auto &[file, part] : parts()) {
        std::int64_t beyond = query.newest_first ? Limits::max() : Limits::min();
        if (after)
            beyond = part.part().id_of(*after);
        for (const BoundSql &sql :
             candidates(query, part.part(), holdings(part), frequency(part, query)))
            merge.add_leases(part, run(part, sql, beyond));
    }
    return merge;
}

// Adds what the leases of that role say, or of any; the result is whether these are all.
bool Reader::State::may_have_had_port(const StoredBindFailure &stored, std::optional<Role> role,
                                      std::vector<LeaseRows::Stored> &found) {
    const model::BindFailure &failure = stored.failure;
    model::LeaseQuery query;
    query.port = failure.local.port;
    query.protocol = failure.protocol;
    query.network_namespace = failure.socket.network_namespace;
    query.role = role;
    query.since_us = query.until_us = to_us(failure.at) + stored.boot->wall_offset_us;
    query.newest_first = true;
    Merge merge = leases(query, std::nullopt);
    Candidate candidate;
    std::size_t taken = 0;
    for (std::size_t examined = 0; merge.next(candidate); ++examined) {
        if (taken == most_obstacles || examined == Reader::max_examined)
            return false;
        if (!candidate.matches)
            continue;
        ++taken;
        found.push_back(candidate.part->rows().lease(candidate.place));
    }
    return true;
}

Reader::State::FoundFailure Reader::State::find_failure(const Candidate &candidate) {
    FoundFailure found{candidate.part->bind_failures().bind_failure(candidate.number), {}};
    std::vector<LeaseRows::Stored> leases;
    const bool are_all = may_have_had_port(found.stored, std::nullopt, leases);
    if (!are_all) {
        std::erase_if(leases, [](const auto &one) { return one.lease.role == Role::listener; });
        may_have_had_port(found.stored, Role::listener, leases);
    }
    found.obstacles =
        find_obstacles(found.stored, std::move(leases), are_all ? AreAll::yes : AreAll::no);
    return found;
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
    wire.error = found.obstacles.error;
    if (wire.error)
        wire.error_provenance = Provenance::inferred;
    for (const LeaseRows::Stored &lease : found.obstacles.leases)
        wire.in_the_way.push_back(to_wire(lease));
    return wire;
}

Reader::Reader(const std::filesystem::path &state_directory, PresentNow present,
               std::shared_ptr<Suspects> suspects) {
    const auto empty = present ? PartSet::Empty::allowed : PartSet::Empty::fault;
    state_ = std::make_unique<State>(PartSet(state_directory, empty, std::move(suspects)),
                                     std::move(present), UserNames());
    state_->set.answer([] { return true; });
}

Reader::~Reader() = default;

namespace {

// Up to `limit` of what matches, each made by `make`; and where to go on, if that was not all.
template <typename Found, typename Cursor, typename CursorAt, typename Make>
std::optional<Cursor> take_page(Merge merge, std::optional<Cursor> reached, std::size_t limit,
                                std::vector<Found> &found, CursorAt cursor_at, Make make) {
    Candidate candidate;
    for (std::size_t examined = 0; merge.next(candidate); ++examined) {
        if (found.size() >= std::max<std::size_t>(limit, 1) || examined == Reader::max_examined)
            return reached;
        reached = cursor_at(candidate);
        if (candidate.matches)
            found.push_back(make(candidate));
    }
    return std::nullopt;
}

} // namespace

// The user database can keep us waiting: names are looked up after the transactions.
model::LeasePage Reader::page(const model::LeaseQuery &query,
                              std::optional<model::LeaseCursor> after, std::size_t limit) {
    model::LeasePage page;
    std::vector<LeaseRows::Stored> found;
    page.next = state_->set.answer([&] {
        found.clear();
        return take_page(
            state_->leases(query, after), after, limit, found,
            [](const Candidate &one) { return one.place; },
            [](const Candidate &one) { return one.part->rows().lease(one.place); });
    });
    for (const LeaseRows::Stored &stored : found)
        page.leases.push_back(state_->to_wire(stored));
    return page;
}

model::BindFailurePage Reader::bind_failures(const model::LeaseQuery &query,
                                             std::optional<model::BindFailureCursor> after,
                                             std::size_t limit) {
    const FailuresOf ports = query.port ? FailuresOf::one_port : FailuresOf::any_port;
    const std::string sql = bind_failures_sql(ports, query.newest_first);
    model::BindFailurePage page;
    std::vector<State::FoundFailure> found;
    page.next = state_->set.answer([&] {
        found.clear();
        Merge merge(query.newest_first ? Merge::Order::descending : Merge::Order::ascending);
        for (auto &[file, part] : state_->parts()) {
            auto rows = std::make_unique<Execution>(part.statement(sql));
            bind_failures_query(*rows, query, after);
            merge.add_bind_failures(part, std::move(rows));
        }
        return take_page(
            std::move(merge), after, limit, found,
            [](const Candidate &one) {
                return model::BindFailureCursor{one.place, one.number};
            },
            [this](const Candidate &one) { return state_->find_failure(one); });
    });
    for (const State::FoundFailure &failure : found)
        page.failures.push_back(state_->to_wire(failure));
    return page;
}

// Open leases go on to the next part: so no part has leases that were freed after those of a later
// one. Within a part, a brief lease was freed about when it was filed.
std::optional<proto::Lease> Reader::last_freed(const model::LeaseQuery &query) {
    if (!query.port)
        throw std::invalid_argument("the lease that was freed last: of which port?");
    const auto found = state_->set.answer([&]() -> std::optional<LeaseRows::Stored> {
        std::optional<std::int64_t> newer;
        for (auto &[file, part] : std::views::reverse(state_->parts())) {
            if (newer.value_or(state_->set.files().back().number + 1) != file.number + 1)
                return std::nullopt; // what is missing may have a later one
            newer = file.number;
            if (const auto serial = part.last_freed(query))
                return part.rows().lease(*serial);
        }
        return std::nullopt;
    });
    if (!found)
        return std::nullopt;
    return state_->to_wire(*found);
}

// The time of parts that are not there, or that cannot be read.
void Reader::State::add_holes(CoverageRecords &records) {
    const auto add = [&](std::optional<std::int64_t> since, std::optional<std::int64_t> until) {
        records.gaps.push_back({since, until, std::string(unreadable), std::nullopt});
    };
    std::optional<std::int64_t> previous;
    std::optional<std::int64_t> previous_until_us;
    for (auto &[file, part] : parts()) {
        const PartReader::Bounds bounds = part.coverage_bounds();
        const auto since_us = part.part().since_us ? part.part().since_us : bounds.first_us;
        const bool is_first = !previous;
        if (is_first ? file != set.files().front() : *previous + 1 != file.number)
            add(previous_until_us, since_us);
        previous = file.number;
        previous_until_us = bounds.last_us ? bounds.last_us : since_us;
    }
    if (!set.files().empty() && previous != set.files().back().number)
        add(previous_until_us, std::nullopt);
}

proto::Coverage Reader::coverage(std::optional<std::int64_t> since_us, std::int64_t until_us) {
    return assemble_coverage(
        state_->set.answer([&] { return state_->coverage_records(since_us, until_us); }), since_us,
        until_us);
}

CoverageRecords Reader::State::coverage_records(std::optional<std::int64_t> since_us,
                                                std::int64_t until_us) {
    CoverageRecords records;
    if (present)
        records.present = present();
    for (auto &[file, part] : parts()) {
        if (const Part &oldest = part.part(); file == set.files().front() && oldest.since_us)
            records.expired_until_us = oldest.moment_us(oldest.serial_of(0));
        const PartReader::Bounds bounds = part.coverage_bounds();
        if (bounds.first_us && (!records.first_us || *bounds.first_us < *records.first_us))
            records.first_us = bounds.first_us;
        if (bounds.last_us && (!records.last_us || *bounds.last_us > *records.last_us))
            records.last_us = bounds.last_us;
    }
    // An answer about the present is one about the end of the record.
    const std::optional<std::int64_t> since =
        since_us && records.last_us ? std::min(*since_us, *records.last_us) : since_us;
    std::map<std::tuple<std::optional<std::int64_t>, std::string>, proto::Gap> gaps;
    for (auto &[file, part] : parts()) {
        std::ranges::move(part.coverage(since, until_us), std::back_inserter(records.intervals));
        // One that grew while the next part was begun stands in both.
        for (proto::Gap &gap : part.gaps(since, until_us))
            gaps.insert_or_assign({gap.since_usec, gap.cause}, gap);
    }
    for (auto &[key, gap] : gaps)
        records.gaps.push_back(std::move(gap));
    add_holes(records);
    return records;
}

std::vector<proto::Gap> Reader::newest_gaps(std::size_t limit) {
    return state_->set.answer([&] {
        std::vector<proto::Gap> found;
        if (state_->present)
            if (const auto lasting = state_->present().unstored())
                found.push_back(*lasting);
        for (auto &[file, part] : std::views::reverse(state_->parts())) {
            if (found.size() >= limit)
                break;
            for (proto::Gap &gap : part.newest_gaps(limit - found.size()))
                if (std::ranges::none_of(found, [&](const proto::Gap &newer) {
                        return newer.since_usec == gap.since_usec && newer.cause == gap.cause;
                    }))
                    found.push_back(std::move(gap));
        }
        return found;
    });
}

} // namespace portd::store
