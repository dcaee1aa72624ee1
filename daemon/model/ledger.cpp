#include "model/ledger_state.hpp"

#include "model/lease_rules.hpp"

#include <algorithm>
#include <utility>

namespace portd::model {

TableState &Ledger::State::table_of(Protocol protocol, Family family,
                                    std::uint32_t network_namespace) {
    const Table table{protocol, family, network_namespace};
    auto &state = tables_[table];
    state.table = table;
    return state;
}

Ledger::State::Entry *Ledger::State::find(const SocketKey &key) {
    for (auto &[name, table] : tables_) {
        if (name.network_namespace != key.network_namespace)
            continue;
        const auto renamed = table.renamed.find(key);
        const auto found =
            table.records.find(renamed == table.renamed.end() ? key : renamed->second);
        if (found != table.records.end())
            return &*found;
    }
    return nullptr;
}

void Ledger::State::mark(const SocketKey &key, Record &record) {
    if (record.change == Record::unchanged)
        add_change(key, record);
    changes_[record.change].is_of_lease = true;
}

void Ledger::State::mark_note(const SocketKey &key, Record &record) {
    if (!keeps_notes_ || record.change != Record::unchanged)
        return;
    add_change(key, record);
    changes_[record.change].is_of_lease = false;
}

void Ledger::State::add_change(const SocketKey &key, Record &record) {
    record.change = changes_.size();
    changes_.push_back({&record, key, nullptr});
}

Record &Ledger::State::begin(TableState &table, const SocketKey &key, Protocol protocol,
                             const Endpoint &local, const Endpoint &peer, const When &opened,
                             Instant first_observed, Place place) {
    const std::int64_t serial = next_serial(first_observed);
    const SocketKey name = place == Place::newest ? key : replaced_key(serial);
    const auto [found, is_new] = table.records.try_emplace(name);
    auto &placed = found->second;
    if (!is_new)
        placed = Record{};
    auto &lease = placed.lease;
    lease.serial = serial;
    lease.id = {key, first_observed};
    lease.protocol = protocol;
    lease.local = local;
    lease.peer = peer;
    lease.opened = opened;
    if (is_own(key.network_namespace))
        lease.port_choice = port_choice_of(local.port, ports);
    if (is_connection(placed.lease) && place == Place::newest)
        connect(table, name, placed.lease);
    take_parked_claim(placed);
    ++open_;
    ++leases_found;
    mark(name, placed);
    return placed;
}

// The newest socket of a connection is the one that began last. Where that was not observed, it is
// the one that was known to be there later.
void Ledger::State::connect(TableState &table, const SocketKey &key, const Lease &lease) {
    const auto [connection, is_new] =
        table.by_connection.try_emplace({lease.local, lease.peer}, key);
    if (is_new)
        return;
    const auto other = table.records.find(connection->second);
    if (other != table.records.end()) {
        const auto begun = [](const When &opened) {
            return std::pair(opened.provenance == Provenance::observed, opened.latest);
        };
        if (begun(other->second.lease.opened) > begun(lease.opened))
            return;
    }
    connection->second = key;
}

void Ledger::State::end(TableState &table, const SocketKey &key, Record &record, const When &at,
                        Standing standing, std::optional<Instant> known_at) {
    --open_;
    record.last_phase = record.lease.phase;
    record.closed_by_end = !record.lease.closed;
    end_lease(record.lease, at);
    forget_later_holders(record.lease);
    attribute(record.lease);
    stop_listening(table, key, record.lease);
    const Instant by = known_at ? *known_at : at.latest.value_or(record.last_shown);
    settle(table, key, record, standing, by);
    mark(key, record);
}

// The end of the lease was concluded too early.
void Ledger::State::reopen(TableState &table, const SocketKey &key, Record &record) {
    auto &lease = record.lease;
    if (record.closed_by_end)
        lease.closed.reset();
    lease.freed.reset();
    lease.phase = record.last_phase;
    unreleased_.erase({record.settled_at, key});
    record.standing = Standing::shown;
    ++open_;
    attribute(lease);
    if (lease.phase == Phase::listening)
        listen(table, key, lease);
    note_without_word(table, key, record);
    mark(key, record);
}

void Ledger::State::settle(TableState &table, const SocketKey &key, Record &record,
                           Standing standing, Instant at) {
    unreleased_.erase({record.settled_at, key});
    record.standing = standing;
    record.settled_at = at;
    mark_note(key, record);
    const bool awaits_release =
        standing == Standing::ended && record.left_at && !record.released_at && !is_replaced(key);
    if (awaits_release)
        unreleased_.emplace(std::pair(at, key), &table);
    else
        table.settled.emplace_back(at, key);
}

void Ledger::State::erase(TableState &table, const SocketKey &key) {
    const auto found = table.records.find(key);
    if (found == table.records.end())
        return;
    auto &record = found->second;
    if (record.lease.is_open())
        --open_;
    forgotten_.push_back(record.lease.serial);
    unreleased_.erase({record.settled_at, key});
    if (table.scan != 0 && record.scan == table.scan)
        --table.shown_in_scan;
    const auto connection = table.by_connection.find({record.lease.local, record.lease.peer});
    if (connection != table.by_connection.end() && connection->second == key)
        table.by_connection.erase(connection);
    if (record.alias)
        table.renamed.erase(*record.alias);
    if (record.change != Record::unchanged)
        changes_[record.change].departed = std::make_unique<Lease>(std::move(record.lease));
    table.without_word.erase(key);
    table.records.erase(found);
}

void Ledger::State::rename(TableState &table, Record &record, const SocketKey &alias,
                           const SocketKey &key) {
    record.alias = alias;
    table.renamed[alias] = key;
}

void Ledger::State::settle_oldest_destroyed(TableState &table) {
    const SocketKey key = table.destroyed.front().second;
    table.destroyed.pop_front();
    const auto found = table.records.find(key);
    if (found != table.records.end() && found->second.standing == Standing::destroyed)
        end(table, key, found->second,
            {found->second.last_shown, std::nullopt, Provenance::unknown}, Standing::ended);
}

void Ledger::State::keep_within_limits(TableState &table) {
    while (table.destroyed.size() > limits_.awaiting_scan)
        settle_oldest_destroyed(table);
    for (auto *lingering : {&table.lingering_closed, &table.lingering_half_closed})
        while (lingering->size() > limits_.awaiting_scan)
            settle_oldest_time_wait(table, *lingering);
    while (unreleased_.size() > limits_.remembered_ends) {
        const auto [oldest, ended_in] = *unreleased_.begin();
        unreleased_.erase(unreleased_.begin());
        erase(*ended_in, oldest.second);
    }
    while (table.settled.size() > limits_.remembered_ends) {
        const auto [at, key] = table.settled.front();
        table.settled.pop_front();
        const auto found = table.records.find(key);
        if (found != table.records.end() && found->second.settled_at == at &&
            !found->second.lease.is_open())
            erase(table, key);
    }
}

// Ended sockets stay for the reorder window. Absent ones stay until they are destroyed, or where no
// event will say that, until a second scan has missed them too.
void Ledger::State::forget_old(TableState &table, Instant now) {
    keep_within_limits(table);
    const auto is_awaited = [&](const SocketKey &key, const Record &record) {
        if (record.standing != Standing::absent)
            return false;
        const bool destroy_event_may_follow = table.scanned_whole &&
                                              key.kind == SocketKey::Kind::cookie &&
                                              record.last_phase != Phase::lingering;
        return destroy_event_may_follow || !table.concluded ||
               *table.concluded <= record.settled_at;
    };
    std::deque<std::pair<Instant, SocketKey>> kept;
    while (!table.settled.empty()) {
        const auto [at, key] = table.settled.front();
        if (now - at <= reorder_window)
            break;
        table.settled.pop_front();
        const auto found = table.records.find(key);
        if (found == table.records.end() || found->second.settled_at != at ||
            found->second.lease.is_open())
            continue;
        if (is_awaited(key, found->second))
            kept.emplace_back(at, key);
        else
            erase(table, key);
    }
    table.settled.insert(table.settled.begin(), kept.begin(), kept.end());
}

void Ledger::State::set_ports(const NamespacePorts &now) {
    if (ports == now)
        return;
    ports = now;
    for (auto &[_, table] : tables_)
        table.complete = table.complete_then = std::nullopt;
}

void Ledger::State::take_changes(std::vector<Lease> &leases, LedgerNotes *notes) {
    keeps_notes_ = notes != nullptr;
    for (const auto &change : changes_) {
        if (change.departed) {
            if (change.is_of_lease)
                leases.push_back(std::move(*change.departed));
            continue;
        }
        Record &record = *change.record;
        record.change = Record::unchanged;
        if (change.is_of_lease)
            leases.push_back(record.lease);
        if (notes)
            notes->changed.push_back({record.lease.serial, change.key, record});
    }
    changes_.clear();
    if (notes) {
        notes->forgotten.insert(notes->forgotten.end(), forgotten_.begin(), forgotten_.end());
        notes->claims = parked_claims();
    }
    forgotten_.clear();
}

LedgerNotes Ledger::State::notes() const {
    LedgerNotes notes;
    std::size_t count = 0;
    for (const auto &[_, table] : tables_)
        count += table.records.size();
    notes.changed.reserve(count);
    for (const auto &[_, table] : tables_)
        for (const auto &[key, record] : table.records)
            notes.changed.push_back({record.lease.serial, key, record});
    notes.claims = parked_claims();
    return notes;
}

std::vector<Lease> Ledger::State::open() const {
    std::vector<Lease> leases;
    leases.reserve(open_);
    for (const auto &[_, table] : tables_)
        for (const auto &[key, record] : table.records)
            if (record.lease.is_open())
                leases.push_back(record.lease);
    std::ranges::sort(leases, {}, &Lease::serial);
    return leases;
}

Ledger::Ledger(std::int64_t first_serial) : Ledger(first_serial, Limits{}) {}
Ledger::Ledger(std::int64_t first_serial, Limits limits)
    : state_(std::make_unique<State>(first_serial, limits)) {}
Ledger::~Ledger() = default;

void Ledger::set_namespace_ports(const NamespacePorts &ports) {
    state_->set_ports(ports);
}
void Ledger::set_own_namespace(std::uint32_t network_namespace) {
    state_->set_own_namespace(network_namespace);
}
void Ledger::file_by_time(std::int64_t offset_us) {
    state_->file_by_time(offset_us);
}
void Ledger::restore(std::vector<Lease> open_leases, Instant watched_until) {
    state_->restore(std::move(open_leases), watched_until);
}
void Ledger::resume(std::vector<Lease> leases, const LedgerNotes &notes, Instant watched_until) {
    state_->resume(std::move(leases), notes, watched_until);
}
void Ledger::apply(const Observation &observation) {
    std::visit([this](const auto &fact) { state_->apply(fact); }, observation);
}
std::vector<Lease> Ledger::take_changes(LedgerNotes *notes) {
    std::vector<Lease> leases;
    state_->take_changes(leases, notes);
    return leases;
}
void Ledger::take_changes(std::vector<Lease> &leases, LedgerNotes *notes) {
    state_->take_changes(leases, notes);
}
LedgerNotes Ledger::notes() const {
    return state_->notes();
}
bool Ledger::take_lack_of_holders() {
    return std::exchange(state_->lacks_holders, false);
}
std::vector<Lease> Ledger::open() const {
    return state_->open();
}
std::size_t Ledger::open_leases() const {
    return state_->open_leases();
}
std::uint64_t Ledger::found_leases() const {
    return state_->leases_found;
}
std::vector<proto::PoolUse> Ledger::pools(const KnownPorts &known) const {
    return state_->pools(known);
}
std::uint64_t Ledger::unseen_sockets() const {
    return state_->unseen;
}

} // namespace portd::model
