#include "capture/ebpf_snapshot.hpp"

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>

namespace portd::capture {
namespace {

template <typename OnTable>
void for_each_table(std::uint32_t network_namespace, OnTable on_table) {
    for (const auto protocol : {Protocol::tcp, Protocol::udp})
        for (const auto family : {Family::ipv4, Family::ipv6})
            on_table(model::Table{protocol, family, network_namespace});
}

bool lingers(const SocketRow &row) {
    return row.is_orphan && row.protocol == Protocol::tcp && row.peer.port != 0;
}

[[noreturn]] void fail() {
    throw std::system_error(EBADMSG, std::generic_category(),
                            "cannot understand what an iterator gave");
}

// The program's choice, or the kernel's: bind(2) to a port locks it. An accepted connection has its
// listener's port and never a lock of its own.
std::optional<PortChoice> choice_of(const SocketRow &row) {
    if (row.is_port_locked)
        return PortChoice::explicit_;
    if (row.connect_chose_port)
        return PortChoice::automatic;
    const bool may_be_accepted = row.protocol == Protocol::tcp && row.peer.port != 0;
    return may_be_accepted ? std::nullopt : std::optional(PortChoice::automatic);
}

// Where that is automatic. Nothing but bind(2) leaves a TCP socket with a port that neither listens
// nor has a peer; a listener can have got it by either, and a UDP socket in any way.
std::optional<PortChosenBy> chosen_by(const SocketRow &row) {
    if (row.connect_chose_port)
        return PortChosenBy::connect;
    const bool is_bound_only = row.protocol == Protocol::tcp && row.peer.port == 0 &&
                               row.state == model::SocketState::close;
    return is_bound_only ? std::optional(PortChosenBy::bind) : std::nullopt;
}

} // namespace

template <typename OnImage, typename OnRow, typename OnNamespace>
void EbpfSnapshot::decode(std::span<const std::byte> records, OnImage on_image, OnRow on_row,
                          OnNamespace on_namespace) {
    while (!records.empty()) {
        const auto length = record_length(records);
        if (!length)
            fail();
        const auto record = records.first(*length);
        records = records.subspan(*length);
        if (const auto row = decode_row(record)) {
            on_row(*row);
            continue;
        }
        const auto event = decode_record(record);
        if (!event)
            fail();
        if (const auto *const image = std::get_if<ImageTold>(&*event))
            on_image(*image);
        else if (const auto *const told = std::get_if<NamespaceTold>(&*event))
            on_namespace(*told);
        else
            fail();
    }
}

void EbpfSnapshot::begin() {
    table_rows_.clear();
    exiting_.clear();
    portless_.clear();
    met_ports_.clear();
    held_.begin();
}

void EbpfSnapshot::meet_tables(std::span<const std::byte> records) {
    decode(
        records, [](const ImageTold &) {},
        [&](const SocketRow &row) { table_rows_.push_back(row); }, [](const NamespaceTold &) {});
}

void EbpfSnapshot::meet_held(std::span<const std::byte> records) {
    const auto meet_image = [&](const ImageTold &told) {
        if (told.is_exiting)
            exiting_.push_back(told);
        else if (!told.is_amid_exec)
            images_.told(told);
        held_.begin_process(told.image);
    };
    const auto meet_row = [&](const SocketRow &row) {
        if (row.local.port == 0)
            portless_.push_back(row);
        else if (!row.is_held || !held_.add(row))
            fail();
    };
    decode(records, meet_image, meet_row, [&](const NamespaceTold &told) { meet_namespace(told); });
}

void EbpfSnapshot::meet_namespace(const NamespaceTold &told) {
    if (told.network_namespace != own_namespace_ && met_ports_.size() < most_namespaces &&
        told.ports.reserved.size() <= most_reserved_ranges)
        met_ports_.insert_or_assign(told.network_namespace, told.ports);
}

std::optional<model::KnownPorts> EbpfSnapshot::take_foreign_ports() {
    return std::exchange(are_foreign_ports_new_, false) ? std::optional(foreign_ports_)
                                                        : std::nullopt;
}

void EbpfSnapshot::start(model::Instant began, const Sink &sink) {
    began_before_ = std::exchange(began_, began);
    held_.accept();
    are_foreign_ports_new_ = are_foreign_ports_new_ || met_ports_ != foreign_ports_;
    foreign_ports_ = std::exchange(met_ports_, {});
    foreign_namespaces_.clear();
    for (const auto &[row, _] : held_.rows())
        if (row.key.network_namespace != own_namespace_)
            foreign_namespaces_.insert(row.key.network_namespace);
    look_for_lingering();
    had_kernel_sockets_ = std::exchange(has_kernel_sockets_,
                                        std::ranges::any_of(table_rows_, &SocketRow::is_kernels));
    const auto start = [&](const model::Table &table) { sink(model::ScanStarted{table, began}); };
    for_each_table(own_namespace_, start);
    for (const auto foreign : foreign_namespaces_)
        for_each_table(foreign, start);
}

void EbpfSnapshot::look_for_lingering() {
    had_lingering_ = std::exchange(has_lingering_, std::ranges::any_of(table_rows_, lingers));
}

void EbpfSnapshot::finish(model::Instant now, bool is_whole, const Sink &sink) {
    for (const auto &told : exiting_)
        images_.told(told);
    held_.name_processes([&](const ImageId &image) { return images_.find(image); });
    tell_rows(is_whole, sink);
    for (const auto &row : portless_)
        tell_row(row, sink);
    tell_holders(now, is_whole, sink);
    const auto own_scope = is_whole ? model::Scope::all : model::Scope::time_wait;
    const auto foreign_scope = is_whole ? model::Scope::held : model::Scope::nothing;
    const auto finish = [&](std::uint32_t network_namespace, model::Scope scope) {
        for_each_table(network_namespace, [&](const model::Table &table) {
            sink(model::ScanFinished{table, now, scope, !is_whole});
        });
    };
    finish(own_namespace_, own_scope);
    for (const auto foreign : foreign_namespaces_)
        finish(foreign, foreign_scope);
    if (is_whole)
        sink(model::HeldScanned{began_, now});
    table_rows_ = {};
}

// Of one that was there before and is as it was, the ledger knows: it takes two looks to decide on
// the role of a connection.
bool EbpfSnapshot::is_news(const HeldSockets::Held &held) const {
    return held.looks <= 2 || held.row.is_kernels || events_.awaits(held.row.key);
}

// Listeners first, as the ledger wants them.
void EbpfSnapshot::tell_rows(bool is_whole, const Sink &sink) {
    for (const bool connections : {false, true}) {
        for (const auto &row : table_rows_)
            if ((row.peer.port != 0) == connections)
                tell_row(row, sink);
        for (const auto &held : held_.rows())
            if ((held.row.peer.port != 0) == connections && (is_whole || is_news(held)))
                tell_row(held.row, sink);
    }
}

void EbpfSnapshot::tell_lingering(model::Instant began, model::Instant now, const Sink &sink) {
    look_for_lingering();
    const auto for_each_family = [&](const auto &tell) {
        for (const auto family : {Family::ipv4, Family::ipv6})
            tell(model::Table{Protocol::tcp, family, own_namespace_});
    };
    for_each_family([&](const model::Table &table) { sink(model::ScanStarted{table, began}); });
    for (const bool connections : {false, true})
        for (const auto &row : table_rows_)
            if ((row.peer.port != 0) == connections)
                tell_row(row, sink);
    for_each_family([&](const model::Table &table) {
        sink(model::ScanFinished{table, now, model::Scope::time_wait, true});
    });
    table_rows_ = {};
}

void EbpfSnapshot::tell_row(const SocketRow &row, const Sink &sink) {
    // A connect(2) may have begun after the row was read, or be under way.
    if (row.local.port != 0 && row.peer.port != 0)
        events_.meet_port(row.key, row.protocol, row.local, row.peer, sink);
    const auto choice = choice_of(row);
    // 1 stands for any inode: the socket has a file.
    sink(model::SocketSeen{.key = row.key,
                           .protocol = row.protocol,
                           .local = row.local,
                           .peer = row.peer,
                           .state = row.state,
                           .uid = row.uid,
                           .inode = row.is_orphan ? 0U : 1U,
                           .at = row.at,
                           .port_choice = choice,
                           .port_chosen_by =
                               choice == PortChoice::automatic ? chosen_by(row) : std::nullopt});
    if (row.is_kernels)
        sink(model::HolderSeen{row.key, ImageTable::kernel(), row.at});
}

// Who is new and who is gone since the snapshot before. Of sockets that are gone their end tells.
// With who is new everybody is told: one of whom events told, and no snapshot yet, may be gone.
void EbpfSnapshot::tell_holders(model::Instant now, bool is_whole, const Sink &sink) {
    const auto gained = held_.gained();
    for (const auto &holder : gained)
        sink(model::HolderSeen{holder.key, holder.process, now});
    if (!is_whole)
        tell_counts(held_.holders_of(gained), now, sink);
    for (const auto &holder : held_.lost())
        sink(model::HolderGone{holder.key, holder.process->key,
                               model::When::sampled(began_before_, now)});
}

void EbpfSnapshot::tell_counts(std::span<const HeldSockets::Holder> holders, model::Instant now,
                               const Sink &sink) {
    for (auto rest = holders; !rest.empty();) {
        const auto key = rest.front().key;
        model::HoldersCounted counted{key, {}, began_, now};
        for (; !rest.empty() && rest.front().key == key; rest = rest.subspan(1))
            counted.processes.push_back(rest.front().process->key);
        sink(counted);
    }
}

} // namespace portd::capture
