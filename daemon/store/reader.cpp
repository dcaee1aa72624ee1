#include "store/reader.hpp"

#include "store/flow_search.hpp"
#include "store/in_the_way.hpp"
#include "store/lease_times.hpp"
#include "store/merge.hpp"
#include "store/part_files.hpp"
#include "store/part_reader.hpp"
#include "store/part_set.hpp"
#include "store/rotation.hpp"
#include "store/user_names.hpp"
#include "store/verification.hpp"
#include "store/wall_coverage.hpp"
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
#include <variant>

namespace portd::store {
namespace {

constexpr std::size_t most_clock_steps = 16;

// Whether a part began so long before the mark that nothing which ended after the mark can be left
// in the parts before it.
bool began_before(const model::EndMark &mark, const Part &part) {
    return part.since_us && *part.since_us + settling_us < mark.at_us &&
           part.serial_of(0) < mark.last_serial;
}

// By when all of a sealed part had ended, as far as it is known when: what ended later was taken
// along. See rotation.hpp.
std::optional<std::int64_t> ended_by(const PartReader &part, const PartReader &next) {
    const auto &next_since_us = next.part().since_us;
    if (!part.file().is_sealed || next.file().number != part.file().number + 1 || !next_since_us)
        return std::nullopt;
    return *next_since_us - settling_us;
}

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
    const std::int64_t few_leases;
    const std::shared_ptr<const RecentEnds> recent_ends;
    WallTimes walls = {};
    std::vector<PartFile> walls_of = {}; // the files of which `walls` tells
    UserNames names;
    FlowMemory flow_memory;
    std::weak_ptr<void> verifying; // gone: nobody is

    // A bind failure that a page shows.
    struct FoundFailure {
        StoredBindFailure stored;
        Obstacles obstacles;
    };

    PartSet::Parts &parts() { return set.parts(); }
    template <typename Ask>
    auto answer(Ask ask);
    void read_clock();
    std::vector<proto::Gap> holes();
    Holdings holdings(const PartReader &part) const;
    bool are_few(PartReader &part, const std::optional<BoundSql> &count) const;
    FoundBy shortest_way(PartReader &part, const model::LeaseQuery &query) const;
    Merge leases(const model::LeaseQuery &query, std::optional<model::LeaseCursor> after);
    std::optional<std::vector<std::int64_t>> recently_ended(const model::LeaseQuery &query) const;
    std::optional<Candidate> find(const model::LeaseQuery &query, std::int64_t serial);
    PartReader &newest();
    std::vector<proto::Gap> missing_after(const model::EndMark &mark,
                                          std::optional<model::LeaseCursor> reached,
                                          bool &is_other_store);
    bool may_have_had_port(const StoredBindFailure &failure, std::optional<Role> role,
                           std::vector<LeaseRows::Stored> &found);
    FoundFailure find_failure(const StoredBindFailure &stored);
    CoverageRecords bounds_of_record();
    proto::Coverage coverage(const CoverageRecords &bounds, const Stretch &rows);
    std::int64_t now_us(const CoverageRecords &bounds) const;
    proto::Lease to_wire(const LeaseRows::Stored &stored);
    proto::BindFailure to_wire(const FoundFailure &found);
    std::optional<std::string> user_name(std::uint32_t uid) { return names.name(uid); }
};

// Sealed parts tell what they told before, and the one that is written tells of the last settings.
void Reader::State::read_clock() {
    if (walls_of != set.files()) {
        walls.clear();
        for (auto &[file, part] : parts())
            part.read_clock(walls);
        walls_of = set.files();
    } else if (!parts().empty() && parts().rbegin()->second.may_tell_of_clock()) {
        parts().rbegin()->second.read_clock(walls);
    }
}

template <typename Ask>
auto Reader::State::answer(Ask ask) {
    return set.answer([&] {
        read_clock();
        return ask();
    });
}

Holdings Reader::State::holdings(const PartReader &part) const {
    if (part.file().is_sealed)
        return Holdings::sealed;
    return set.is_current(part) ? Holdings::current : Holdings::given_up;
}

// False if there is nothing to count.
bool Reader::State::are_few(PartReader &part, const std::optional<BoundSql> &count) const {
    if (!count)
        return false;
    const auto row = run(part, *count);
    row->next();
    return row->integer(0) <= few_leases;
}

FoundBy Reader::State::shortest_way(PartReader &part, const model::LeaseQuery &query) const {
    if (query.port || query.ended || query.open_only)
        return FoundBy::passing; // there is a better way than either
    if (are_few(part, count_leases_of_processes(query, part.part(), few_leases + 1)))
        return FoundBy::process;
    const bool has_interval = query.since_us || query.until_us;
    const auto of_peer = count_leases_of_peer(query, few_leases + 1);
    if (of_peer && (!has_interval || are_few(part, of_peer)))
        return FoundBy::peer;
    return FoundBy::passing;
}

Merge Reader::State::leases(const model::LeaseQuery &query,
                            std::optional<model::LeaseCursor> after) {
    using Limits = std::numeric_limits<std::int64_t>;
    Merge merge(query.newest_first ? Merge::Order::descending : Merge::Order::ascending);
    const auto kept_query = std::make_shared<const model::LeaseQuery>(query);
    for (auto entry = parts().begin(); entry != parts().end(); ++entry) {
        PartReader &part = entry->second;
        const auto next = std::next(entry);
        if (query.ended && next != parts().end() &&
            began_before(query.ended->after, next->second.part()))
            continue;
        if (!may_have_any(query, part.part(),
                          next == parts().end() ? std::nullopt : ended_by(part, next->second)))
            continue;
        const auto add_candidates = [this, kept_query, after, &part](Merge &to) {
            std::int64_t beyond = kept_query->newest_first ? Limits::max() : Limits::min();
            if (after)
                beyond = part.part().id_of(*after);
            for (const BoundSql &sql : candidates(*kept_query, part.part(), holdings(part),
                                                  shortest_way(part, *kept_query)))
                to.add_leases(part, run(part, sql, beyond));
        };
        // Leases were taken along from part to part: of the oldest one of a part less is known.
        if (query.newest_first && part.file().is_sealed)
            merge.add_later(part.newest_serial(), add_candidates);
        else
            add_candidates(merge);
    }
    return merge;
}

// The serials that the window can have, if they are known without looking for them.
std::optional<std::vector<std::int64_t>>
Reader::State::recently_ended(const model::LeaseQuery &query) const {
    if (!recent_ends || !query.ended)
        return std::nullopt;
    return recent_ends->between(query.ended->after.at_us, query.ended->by.at_us);
}

// In the newest part that has it.
std::optional<Candidate> Reader::State::find(const model::LeaseQuery &query, std::int64_t serial) {
    for (auto &[file, part] : std::views::reverse(parts())) {
        const auto row = run(part, candidate(query, part.part()), part.part().id_of(serial));
        if (row->next())
            return Candidate{.place = serial, .part = &part, .matches = row->integer(1) != 0};
    }
    return std::nullopt;
}

// The end of what is stored.
PartReader &Reader::State::newest() {
    if (parts().empty() || parts().rbegin()->first != set.files().back())
        throw std::runtime_error("the newest part of the history cannot be read");
    return parts().rbegin()->second;
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
    query.since_us = query.until_us = to_us(failure.at) + stored.boot->base_offset_us;
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

Reader::State::FoundFailure Reader::State::find_failure(const StoredBindFailure &stored) {
    FoundFailure found{stored, {}};
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
    proto::Lease wire = store::to_wire(stored.lease, {*stored.boot, walls},
                                       [this](std::uint32_t uid) { return user_name(uid); });
    wire.network_namespace_name = stored.network_namespace_name;
    return wire;
}

proto::BindFailure Reader::State::to_wire(const FoundFailure &found) {
    const StoredBindFailure &stored = found.stored;
    proto::BindFailure wire = store::to_wire(stored.failure, {*stored.boot, walls},
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
               std::shared_ptr<Suspects> suspects, std::int64_t few_leases,
               std::shared_ptr<const RecentEnds> recent_ends) {
    const auto empty = present ? PartSet::Empty::allowed : PartSet::Empty::fault;
    state_ = std::make_unique<State>(PartSet(state_directory, empty, std::move(suspects)),
                                     std::move(present), few_leases, std::move(recent_ends));
    state_->answer([] { return true; });
}

Reader::~Reader() = default;

namespace {

// The row time in which a lease can have had its port.
Stretch life_of(const LeaseRows::Stored &stored) {
    const model::Lease &lease = stored.lease;
    const std::int64_t base_us = stored.boot->base_offset_us;
    Stretch life;
    life.since_us =
        to_us(std::min(opened_by(lease), held_from(lease).value_or(model::Instant{}))) + base_us;
    if (lease.freed && lease.freed->latest)
        life.until_us = to_us(*lease.freed->latest) + base_us;
    return life;
}

Stretch life_of(const StoredBindFailure &stored) {
    const std::int64_t at_us = to_us(stored.failure.at) + stored.boot->base_offset_us;
    return {at_us, at_us};
}

// A query in row time: from the first moment that was asked for to the last. If the clock was set
// in between, not all of that was asked for.
class InRowTime {
  public:
    InRowTime(const model::LeaseQuery &asked, const WallTimes &walls)
        : query_(asked), rows_(walls.rows_of(asked.since_us, asked.until_us)) {
        if (asked.since_us && !rows_.empty())
            query_.since_us = rows_.front().since_us;
        if (asked.until_us && !rows_.empty())
            query_.until_us = rows_.back().until_us;
        query_.now_us -= walls.ahead_us(std::numeric_limits<std::int64_t>::max());
    }

    const model::LeaseQuery &query() const { return query_; }
    bool is_empty() const { return rows_.empty(); }
    bool takes(const Stretch &life) const {
        return rows_.size() == 1 || std::ranges::any_of(rows_, [&](const Stretch &one) {
                   return life.since_us <= one.until_us && life.until_us >= one.since_us;
               });
    }

  private:
    model::LeaseQuery query_;
    std::vector<Stretch> rows_;
};

// Leases that may match, by serial.
class Listed {
  public:
    using Find = std::function<std::optional<Candidate>(std::int64_t)>;

    Listed(std::vector<std::int64_t> serials, std::optional<model::LeaseCursor> after, Find find)
        : serials_(std::move(serials)), find_(std::move(find)) {
        if (after)
            serials_.erase(serials_.begin(), std::ranges::upper_bound(serials_, *after));
    }

    bool next(Candidate &candidate) {
        while (next_ < serials_.size())
            if (const auto found = find_(serials_[next_++])) {
                candidate = *found;
                return true;
            }
        return false;
    }

  private:
    std::vector<std::int64_t> serials_;
    Find find_;
    std::size_t next_ = 0;
};

// Up to `limit` of what matches and `make` makes something of; and where to go on, if that was not
// all.
template <typename Source, typename Found, typename Cursor, typename CursorAt, typename Make>
std::optional<Cursor> take_page(Source source, std::optional<Cursor> reached, std::size_t limit,
                                std::vector<Found> &found, std::vector<Cursor> &places,
                                CursorAt cursor_at, Make make) {
    Candidate candidate;
    for (std::size_t examined = 0; source.next(candidate); ++examined) {
        if (found.size() >= std::max<std::size_t>(limit, 1) || examined == Reader::max_examined)
            return reached;
        reached = cursor_at(candidate);
        if (!candidate.matches)
            continue;
        if (auto made = make(candidate)) {
            found.push_back(*std::move(made));
            places.push_back(*reached);
        }
    }
    return std::nullopt;
}

} // namespace

// The user database can keep us waiting: names are looked up after the transactions.
model::LeasePage Reader::page(const model::LeaseQuery &query,
                              std::optional<model::LeaseCursor> after, std::size_t limit) {
    model::LeasePage page;
    std::vector<LeaseRows::Stored> found;
    page = state_->answer([&] {
        model::LeasePage taken;
        found.clear();
        const InRowTime asked(query, state_->walls);
        if (asked.is_empty())
            return taken;
        const auto take = [&](auto source) {
            return take_page(
                std::move(source), after, limit, found, taken.places,
                [](const Candidate &one) { return one.place; },
                [&](const Candidate &one) {
                    std::optional lease(one.part->rows().lease(one.place));
                    return asked.takes(life_of(*lease)) ? std::move(lease) : std::nullopt;
                });
        };
        if (auto serials = state_->recently_ended(query))
            taken.next = take(Listed(std::move(*serials), after, [&](std::int64_t serial) {
                return state_->find(asked.query(), serial);
            }));
        else
            taken.next = take(state_->leases(asked.query(), after));
        return taken;
    });
    for (const LeaseRows::Stored &stored : found)
        page.leases.push_back(state_->to_wire(stored));
    return page;
}

model::BindFailurePage Reader::bind_failures(const model::LeaseQuery &query,
                                             std::optional<model::BindFailureCursor> after,
                                             std::size_t limit) {
    model::BindFailurePage page;
    std::vector<State::FoundFailure> found;
    page = state_->answer([&] {
        model::BindFailurePage taken;
        found.clear();
        const InRowTime asked(query, state_->walls);
        if (asked.is_empty())
            return taken;
        Merge merge(query.newest_first ? Merge::Order::descending : Merge::Order::ascending);
        const BoundSql sql = bind_failures_of(asked.query(), after);
        for (auto &[file, part] : state_->parts())
            merge.add_bind_failures(part, run(part, sql));
        taken.next = take_page(
            std::move(merge), after, limit, found, taken.places,
            [](const Candidate &one) {
                return model::BindFailureCursor{one.place, one.number};
            },
            [&](const Candidate &one) {
                const StoredBindFailure stored = one.part->bind_failures().bind_failure(one.number);
                return asked.takes(life_of(stored)) ? std::optional(state_->find_failure(stored))
                                                    : std::nullopt;
            });
        return taken;
    });
    for (const State::FoundFailure &failure : found)
        page.failures.push_back(state_->to_wire(failure));
    return page;
}

// A part that was sealed since the last page is looked through from its beginning: its leases stand
// elsewhere now.
model::FlowPage Reader::leases_of_flows(const std::vector<model::FlowEnd> &ends,
                                        const std::optional<model::FlowPlace> &after,
                                        std::optional<std::uint32_t> visible_to_uid) {
    struct Found {
        LeaseRows::Stored stored;
        std::vector<std::size_t> ends;
    };
    std::vector<Found> found;
    if (!after)
        state_->flow_memory.begin_question();
    model::FlowPage page = state_->answer([&] {
        model::FlowPage taken;
        found.clear();
        FlowSearch search(ends, state_->walls, state_->flow_memory);
        std::size_t budget = max_examined;
        for (auto &[file, part] : state_->parts()) {
            if (after && file.number < after->part)
                continue;
            const bool goes_on =
                after && file.number == after->part && file.is_sealed == after->is_sealed;
            part.keep(PartReader::Cache::wide);
            taken.next = search.look_through(
                part, state_->holdings(part), goes_on ? after : std::nullopt, budget,
                [&, &rows = part.rows()](std::int64_t serial, const std::vector<std::size_t> &of) {
                    LeaseRows::Stored stored = rows.lease(serial);
                    if (!visible_to_uid || stored.lease.uid == visible_to_uid)
                        found.push_back({std::move(stored), of});
                    return found.size() < most_of_flows;
                });
            if (taken.next)
                break;
        }
        if (!taken.next)
            for (auto &[file, part] : state_->parts())
                part.keep(PartReader::Cache::usual);
        taken.examined = max_examined - budget;
        return taken;
    });
    for (Found &one : found)
        page.leases.push_back({state_->to_wire(one.stored), std::move(one.ends)});
    return page;
}

// Open leases go on to the next part: so no part has leases that were freed after those of a later
// one. Within a part, a brief lease was freed about when it was filed.
std::optional<proto::Lease> Reader::last_freed(const model::LeaseQuery &query) {
    if (!query.port)
        throw std::invalid_argument("the lease that was freed last: of which port?");
    const auto found = state_->answer([&]() -> std::optional<LeaseRows::Stored> {
        std::optional<std::int64_t> newer;
        for (auto &[file, part] : std::views::reverse(state_->parts())) {
            if (newer.value_or(state_->set.files().back().number + 1) != file.number + 1)
                return std::nullopt; // what is missing may have a later one
            newer = file.number;
            if (const auto serial = part.last_freed(query, state_->holdings(part)))
                return part.rows().lease(*serial);
        }
        return std::nullopt;
    });
    if (!found)
        return std::nullopt;
    return state_->to_wire(*found);
}

// The time of parts that are not there, or that cannot be read.
std::vector<proto::Gap> Reader::State::holes() {
    std::vector<proto::Gap> found;
    const auto add = [&](std::optional<std::int64_t> since, std::optional<std::int64_t> until) {
        found.push_back({since, until, std::string(unreadable), std::nullopt});
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
    return found;
}

// In row time. What ended by the beginning of a part is not in it, but for the leases that were
// taken along.
std::vector<proto::Gap> Reader::State::missing_after(const model::EndMark &mark,
                                                     std::optional<model::LeaseCursor> reached,
                                                     bool &is_other_store) {
    std::vector<proto::Gap> missing = holes();
    std::erase_if(missing, [&](const proto::Gap &hole) {
        return !hole.until_usec || *hole.until_usec <= mark.at_us;
    });
    if (mark.is_before_all() || parts().empty())
        return missing;
    is_other_store = std::ranges::none_of(
        parts(), [&](auto &one) { return one.second.knows_boot(mark.boot_id); });
    PartReader &oldest = parts().begin()->second;
    const Part &first = oldest.part();
    const bool is_behind = !reached || *reached < first.serial_of(0);
    if (is_other_store)
        missing.push_back(
            {std::nullopt, oldest.coverage_bounds().first_us, std::string(expired), std::nullopt});
    else if (oldest.file() == set.files().front() && first.since_us &&
             mark.at_us < *first.since_us && is_behind)
        missing.push_back({mark.at_us, first.since_us, std::string(expired), std::nullopt});
    return missing;
}

CoverageRecords Reader::State::bounds_of_record() {
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
    return records;
}

proto::Coverage Reader::State::coverage(const CoverageRecords &bounds, const Stretch &rows) {
    using Limits = std::numeric_limits<std::int64_t>;
    CoverageRecords records = bounds;
    std::optional<std::int64_t> asked_since;
    if (rows.since_us != Limits::min())
        asked_since = rows.since_us;
    // An answer about the present is one about the end of the record.
    const std::optional<std::int64_t> since =
        asked_since && records.last_us ? std::min(*asked_since, *records.last_us) : asked_since;
    std::map<std::tuple<std::optional<std::int64_t>, std::string>, proto::Gap> gaps;
    for (auto &[file, part] : parts()) {
        std::ranges::move(part.coverage(since, rows.until_us),
                          std::back_inserter(records.intervals));
        // One that grew while the next part was begun stands in both.
        for (proto::Gap &gap : part.gaps(since, rows.until_us))
            gaps.insert_or_assign({gap.since_usec, gap.cause}, gap);
    }
    for (auto &[key, gap] : gaps)
        records.gaps.push_back(std::move(gap));
    std::ranges::move(holes(), std::back_inserter(records.gaps));
    return assemble_coverage(std::move(records), asked_since, rows.until_us);
}

std::int64_t Reader::State::now_us(const CoverageRecords &bounds) const {
    if (bounds.present && bounds.present->now_us)
        return bounds.present->now_us();
    return bounds.last_us.value_or(0);
}

proto::Coverage Reader::coverage(std::optional<std::int64_t> since_us,
                                 std::optional<std::int64_t> until_us) {
    return state_->answer([&] {
        const CoverageRecords bounds = state_->bounds_of_record();
        const auto now_us = !until_us || (bounds.present && bounds.present->now_us)
                                ? std::optional(state_->now_us(bounds))
                                : std::nullopt;
        std::vector<proto::Coverage> answers;
        for (const Stretch &rows : asked_rows(state_->walls, since_us, until_us, now_us))
            answers.push_back(state_->coverage(bounds, rows));
        proto::Coverage told = answers.empty() ? never_shown(since_us, until_us)
                                               : in_wall_time(answers, state_->walls);
        told.clock_steps = state_->walls.steps(since_us, until_us, most_clock_steps);
        return told;
    });
}

proto::Coverage Reader::present_coverage() {
    return state_->answer([&] {
        const CoverageRecords bounds = state_->bounds_of_record();
        const std::int64_t now_us = state_->now_us(bounds);
        return in_wall_time({state_->coverage(bounds, {now_us, now_us})}, state_->walls);
    });
}

std::vector<proto::Gap> Reader::newest_gaps(std::size_t limit) {
    return state_->answer([&] {
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
        std::vector<proto::Gap> told;
        for (const proto::Gap &gap : found)
            std::ranges::move(pieces_of(gap, state_->walls), std::back_inserter(told));
        if (told.size() > limit)
            told.resize(limit);
        return told;
    });
}

std::vector<proto::ClockStep> Reader::newest_clock_steps(std::size_t limit) {
    return state_->answer([&] { return state_->walls.steps(std::nullopt, std::nullopt, limit); });
}

std::unique_ptr<model::Verification> Reader::verify() {
    if (!state_->verifying.expired())
        return nullptr;
    auto place = std::make_shared<std::monostate>();
    state_->verifying = place;
    return std::make_unique<Verification>(state_->set.directory(), std::move(place));
}

namespace {

// The numbers of gaps: that of the part and, below it, the id within.
constexpr int bits_of_gap_id = 32;

std::int64_t gap_number(const PartFile &file, std::int64_t id) {
    return (file.number << bits_of_gap_id) + id;
}

} // namespace

model::Horizon Reader::horizon(model::Settled settled) {
    return state_->answer([&] {
        PartReader &newest = state_->newest();
        model::Horizon horizon = newest.horizon(settled);
        horizon.last_gap = gap_number(newest.file(), horizon.last_gap);
        return horizon;
    });
}

// Of a gap in which the clock was set only the last piece has its number: whoever is cut off before
// that is told all of it again.
std::vector<model::NumberedGap> Reader::gaps_after(std::int64_t number, std::size_t limit) {
    return state_->answer([&] {
        std::vector<model::NumberedGap> found;
        for (auto &[file, part] : state_->parts()) {
            const std::int64_t first = gap_number(file, 0);
            if (gap_number({file.number + 1, false}, 0) <= number || found.size() >= limit)
                continue;
            for (const model::NumberedGap &gap :
                 part.gaps_after(std::max<std::int64_t>(number - first, 0), limit - found.size())) {
                for (proto::Gap &piece : pieces_of(gap.gap, state_->walls))
                    found.push_back({first + gap.number - 1, std::move(piece)});
                if (!found.empty())
                    found.back().number = first + gap.number;
            }
        }
        return found;
    });
}

model::Missing Reader::missing_after(const model::EndMark &mark,
                                     std::optional<model::LeaseCursor> reached) {
    return state_->answer([&] {
        model::Missing missing;
        for (const proto::Gap &gap : state_->missing_after(mark, reached, missing.is_other_store))
            std::ranges::move(pieces_of(gap, state_->walls), std::back_inserter(missing.gaps));
        return missing;
    });
}

} // namespace portd::store
