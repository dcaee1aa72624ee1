// What follows from time alone, and from the ends of processes and of network namespaces.
#include "model/ledger_state.hpp"

#include "model/lease_rules.hpp"

#include <algorithm>
#include <iterator>

namespace portd::model {
namespace {

constexpr std::size_t max_parked = 4096;
constexpr Duration forgets_every = std::chrono::seconds(1);

} // namespace

void Ledger::State::apply(const ProcessEnded &ended) {
    if (!ended.process)
        return;
    ended_[ended.process->key.pid].push_back(ended);
    ended_is_news_ = true;
}

void Ledger::State::apply(const TimePassed &passed) {
    retire_ended_everywhere();
    for (auto &[_, table] : tables_)
        end_time_waits(table, passed.at);
    if (passed.at - forgot_at_ < forgets_every)
        return;
    forgot_at_ = passed.at;
    for (auto &[_, table] : tables_)
        forget_old(table, passed.at);
    forget_early_news(passed.at);
    forget_empty_tables();
}

// The TIME_WAIT entries that no scan shows, where their time is over.
void Ledger::State::end_time_waits(TableState &table, Instant now) {
    for (const bool peer_has_closed : {true, false}) {
        auto &lingering = peer_has_closed ? table.lingering_closed : table.lingering_half_closed;
        while (!lingering.empty() &&
               now - lingering.front().first >= longest_time_wait(peer_has_closed))
            settle_oldest_time_wait(table, lingering);
    }
}

void Ledger::State::settle_oldest_time_wait(TableState &table,
                                            std::deque<std::pair<Instant, SocketKey>> &lingering) {
    const auto [since, key] = lingering.front();
    lingering.pop_front();
    const auto found = table.records.find(key);
    if (found == table.records.end())
        return;
    auto &record = found->second;
    const auto &lease = record.lease;
    if (!lease.is_open() || lease.phase != Phase::lingering || record.settled_at != since ||
        table.scanned_whole)
        return; // it is over, or scans show it
    decide_role(table, record.lease);
    if (record.left_at == since)
        end(table, key, record, end_of_time_wait(record), Standing::ended, since);
    else
        end(table, key, record,
            When::inferred(lease.closed->earliest, since + longest_time_wait(false)),
            Standing::ended, since);
}

// A socket that somebody has keeps its namespace: what does not linger is of the next one.
void Ledger::State::apply(const NamespaceEnded &ended) {
    for (auto &[which, table] : tables_) {
        if (which.network_namespace != ended.network_namespace)
            continue;
        for (auto &[key, record] : table.records) {
            const auto &lease = record.lease;
            if (!lease.is_open() || lease.phase != Phase::lingering ||
                lease.closed->latest > ended.at)
                continue;
            decide_role(table, record.lease);
            end(table, key, record, When::observed(ended.at), Standing::ended);
        }
    }
}

void Ledger::State::retire_ended(Lease &lease, const ProcessRef &process) const {
    const auto found = ended_.find(process->key.pid);
    if (found == ended_.end())
        return;
    for (const auto &ended : found->second)
        if (ended.process->key == process->key)
            retire_image(lease, ended.process, ended.at);
}

void Ledger::State::retire_ended_everywhere() {
    if (!std::exchange(ended_is_news_, false))
        return;
    for (auto &[_, table] : tables_)
        for (auto &[key, record] : table.records) {
            auto &lease = record.lease;
            if (!lease.is_open() || record.released_at)
                continue;
            bool changed = false;
            for (std::size_t i = 0; i < lease.holders.size(); ++i) {
                const auto &holder = lease.holders[i];
                const auto found =
                    holder.present ? ended_.find(holder.process->key.pid) : ended_.end();
                if (found == ended_.end())
                    continue;
                for (const auto &ended : found->second)
                    changed = retire_image(lease, ended.process, ended.at) || changed;
            }
            if (!changed)
                continue;
            lacks_holders = lacks_holders || std::ranges::none_of(lease.holders, &Holder::present);
            attribute(lease);
            mark(key, record);
        }
}

bool ends_without_word(const Record &record) {
    const auto &holders = record.lease.holders;
    const bool is_kernels = holders.size() == 1 && holders.front().process->key.pid == 0;
    return record.is_time_wait || record.remains == SocketClosed::Remains::time_wait || is_kernels;
}

void Ledger::State::note_without_word(TableState &table, const SocketKey &key,
                                      const Record &record) {
    if (record.standing == Standing::shown && ends_without_word(record))
        table.without_word.insert(key);
}

void Ledger::State::park(const HolderSeen &claim) {
    if (!parked_.emplace(claim.key, claim).second)
        return;
    parked_order_.emplace_back(claim.at, claim.key);
    while (parked_order_.size() > max_parked) {
        parked_.erase(parked_order_.front().second);
        parked_order_.pop_front();
    }
}

// In the order in which they were parked.
std::vector<HolderSeen> Ledger::State::parked_claims() const {
    std::vector<HolderSeen> claims;
    for (const auto &[_, key] : parked_order_)
        claims.push_back(parked_.at(key));
    return claims;
}

void Ledger::State::take_parked_claim(Record &record) {
    if (parked_.empty())
        return;
    const auto found = parked_.find(record.lease.id.socket);
    if (found == parked_.end())
        return;
    if (record.lease.opener.provenance != Provenance::observed)
        note_opener(record.lease, found->second.process, found->second.at);
    retire_ended(record.lease, found->second.process);
}

void Ledger::State::forget_early_news(Instant now) {
    while (!parked_order_.empty() && now - parked_order_.front().first > reorder_window) {
        parked_.erase(parked_order_.front().second);
        parked_order_.pop_front();
    }
    for (auto pid = ended_.begin(); pid != ended_.end();) {
        std::erase_if(pid->second,
                      [&](const auto &ended) { return now - ended.at > reorder_window; });
        pid = pid->second.empty() ? ended_.erase(pid) : std::next(pid);
    }
}

// Namespaces come and go. Of those of others nothing is inferred that a table without sockets
// could tell.
void Ledger::State::forget_empty_tables() {
    std::erase_if(tables_, [&](const auto &named) {
        const auto &[name, table] = named;
        return !is_own(name.network_namespace) && table.records.empty() && !table.scanning;
    });
}

} // namespace portd::model
