#include "capture/ebpf_snapshot.hpp"

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <system_error>
#include <tuple>
#include <utility>

namespace portd::capture {
namespace {

template <typename OnTable>
void for_each_table(std::uint32_t network_namespace, OnTable on_table) {
    for (const auto protocol : {Protocol::tcp, Protocol::udp})
        for (const auto family : {Family::ipv4, Family::ipv6})
            on_table(model::Table{protocol, family, network_namespace});
}

bool lingers(const SocketEvent &row) {
    return row.is_orphan && row.protocol == Protocol::tcp && row.peer.port != 0;
}

// The program's choice, or the kernel's: bind(2) to a port locks it. An accepted connection has its
// listener's port and never a lock of its own.
std::optional<PortChoice> choice_of(const SocketEvent &row) {
    if (row.is_port_locked)
        return PortChoice::explicit_;
    const bool may_be_accepted = row.protocol == Protocol::tcp && row.peer.port != 0;
    return may_be_accepted ? std::nullopt : std::optional(PortChoice::automatic);
}

} // namespace

bool EbpfSnapshot::is_before(const Holder &a, const Holder &b) {
    return std::tie(a.key, a.image) < std::tie(b.key, b.image);
}

bool EbpfSnapshot::is_same(const Holder &a, const Holder &b) {
    return std::tie(a.key, a.image) == std::tie(b.key, b.image);
}

template <typename OnRow>
void EbpfSnapshot::decode(std::span<const std::byte> records, OnRow on_row) {
    while (!records.empty()) {
        const auto length = record_length(records);
        const auto event = length ? decode_record(records.first(*length)) : std::nullopt;
        if (!event)
            throw std::system_error(EBADMSG, std::generic_category(),
                                    "cannot understand what an iterator gave");
        records = records.subspan(*length);
        if (const auto *told = std::get_if<ImageTold>(&*event))
            images_.told(*told);
        else if (const auto *row = std::get_if<SocketEvent>(&*event))
            on_row(*row);
    }
}

void EbpfSnapshot::keep_tables(std::span<const std::byte> tables) {
    rows_.clear();
    lingering_before_ = std::exchange(lingering_, 0);
    decode(tables, [&](const SocketEvent &row) {
        lingering_ += rows_.emplace(row.key, row).second && lingers(row) ? 1U : 0U;
    });
}

void EbpfSnapshot::begin(std::span<const std::byte> tables, std::span<const std::byte> held,
                         model::Instant began, const Sink &sink) {
    began_before_ = std::exchange(began_, began);
    std::swap(holders_before_, holders_);
    holders_.clear();
    keep_tables(tables);
    decode(held, [&](const SocketEvent &row) {
        if (row.key.network_namespace != own_namespace_)
            foreign_namespaces_.insert(row.key.network_namespace);
        if (row.image) {
            // Rows come process by process.
            const bool is_next = holders_.empty() || holders_.back().image != *row.image;
            holders_.push_back({row.key, *row.image,
                                is_next ? images_.find(*row.image) : holders_.back().process});
        }
        rows_.emplace(row.key, row);
    });
    std::ranges::sort(holders_, is_before);
    holders_.erase(std::unique(holders_.begin(), holders_.end(), is_same), holders_.end());
    const auto start = [&](const model::Table &table) { sink(model::ScanStarted{table, began}); };
    for_each_table(own_namespace_, start);
    kernel_sockets_before_ = kernel_sockets_;
    kernel_sockets_ = static_cast<std::size_t>(
        std::ranges::count_if(rows_, [](const auto &entry) { return entry.second.is_kernels; }));
    for (const auto foreign : foreign_namespaces_)
        for_each_table(foreign, start);
}

void EbpfSnapshot::finish(model::Instant now, bool is_whole, const Sink &sink) {
    const auto own_scope = is_whole ? model::Scope::all : model::Scope::time_wait;
    const auto foreign_scope = is_whole ? model::Scope::held : model::Scope::nothing;
    tell_rows(sink);
    tell_holders(now, sink);
    for_each_table(own_namespace_, [&](const model::Table &table) {
        sink(model::ScanFinished{table, now, own_scope});
    });
    for (const auto foreign : foreign_namespaces_)
        for_each_table(foreign, [&](const model::Table &table) {
            sink(model::ScanFinished{table, now, foreign_scope});
        });
    std::set<std::uint32_t> alive;
    for (const auto &[key, _] : rows_)
        if (key.network_namespace != own_namespace_)
            alive.insert(key.network_namespace);
    foreign_namespaces_ = std::move(alive);
    rows_.clear();
    holders_before_.clear();
}

// Listeners first, as the ledger wants them.
void EbpfSnapshot::tell_rows(const Sink &sink) {
    for (const bool connections : {false, true})
        for (const auto &[_, row] : rows_)
            if ((row.peer.port != 0) == connections)
                tell_row(row, sink);
}

void EbpfSnapshot::tell_lingering(std::span<const std::byte> tcp, model::Instant began,
                                  model::Instant now, const Sink &sink) {
    keep_tables(tcp);
    const auto for_each_family = [&](const auto &tell) {
        for (const auto family : {Family::ipv4, Family::ipv6})
            tell(model::Table{Protocol::tcp, family, own_namespace_});
    };
    for_each_family([&](const model::Table &table) { sink(model::ScanStarted{table, began}); });
    tell_rows(sink);
    for_each_family([&](const model::Table &table) {
        sink(model::ScanFinished{table, now, model::Scope::time_wait});
    });
    rows_.clear();
}

void EbpfSnapshot::tell_row(const SocketEvent &row, const Sink &sink) {
    events_.meet_row(row, sink);
    // 1 stands for any inode: the socket has a file.
    sink(model::SocketSeen{.key = row.key,
                           .protocol = row.protocol,
                           .local = row.local,
                           .peer = row.peer,
                           .state = row.state,
                           .uid = row.uid,
                           .inode = row.is_orphan ? 0U : 1U,
                           .at = row.at,
                           .port_choice = choice_of(row)});
    if (row.is_kernels)
        sink(model::HolderSeen{row.key, ImageTable::kernel(), row.at});
}

// Who is new and who is gone since the snapshot before. Of sockets that are gone their end tells.
void EbpfSnapshot::tell_holders(model::Instant now, const Sink &sink) {
    const auto in_first_only = [](const auto &ones, const auto &others) {
        std::vector<Holder> only;
        std::ranges::set_difference(ones, others, std::back_inserter(only), is_before);
        return only;
    };
    for (const auto &holder : in_first_only(holders_, holders_before_))
        sink(model::HolderSeen{holder.key, holder.process, now});
    for (const auto &holder : in_first_only(holders_before_, holders_))
        if (std::ranges::binary_search(holders_, holder.key, std::ranges::less{}, &Holder::key))
            sink(model::HolderGone{holder.key, holder.process->key,
                                   model::When::sampled(began_before_, now)});
}

} // namespace portd::capture
