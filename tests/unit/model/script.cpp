#include "unit/model/script.hpp"

#include <arpa/inet.h>
#include <ostream>

namespace portd::model {
namespace {

void print_bound(const std::optional<Instant> &bound, std::ostream *out) {
    if (bound)
        *out << to_us(*bound) << "us";
    else
        *out << "?";
}

void print(const std::optional<When> &when, std::ostream *out) {
    if (when)
        PrintTo(*when, out);
    else
        *out << "not yet";
}

} // namespace

void PrintTo(const When &when, std::ostream *out) {
    *out << to_string(when.provenance) << " [";
    print_bound(when.earliest, out);
    *out << ", ";
    print_bound(when.latest, out);
    *out << "]";
}

void PrintTo(const SocketKey &key, std::ostream *out) {
    const char *const kinds[] = {"cookie", "inode", "tuple"};
    *out << kinds[static_cast<std::size_t>(key.kind)] << " " << key.value << " in "
         << key.network_namespace;
}

void PrintTo(const Lease &lease, std::ostream *out) {
    *out << "lease " << lease.serial << " of ";
    PrintTo(lease.id.socket, out);
    *out << " first observed " << to_us(lease.id.first_observed)
         << "us: " << to_string(lease.protocol) << " " << lease.local.address.to_string() << " "
         << lease.local.port << " -> " << lease.peer.address.to_string() << " " << lease.peer.port
         << ", " << (lease.role ? to_string(*lease.role) : "no role") << ", "
         << to_string(lease.phase) << ", opened ";
    PrintTo(lease.opened, out);
    *out << ", closed ";
    print(lease.closed, out);
    *out << ", freed ";
    print(lease.freed, out);
    for (const auto &holder : lease.holders)
        *out << ", held by " << holder.process->key.pid << " started "
             << to_us(holder.process->key.started_at) << "us ('" << holder.process->command
             << "', seen " << to_us(holder.first_seen) << "us to " << to_us(holder.last_seen)
             << "us" << (holder.present ? "" : ", gone") << ")";
}

void showValue(const When &when, std::ostream &out) {
    PrintTo(when, &out);
}

} // namespace portd::model

namespace portd::model::script {

Endpoint endpoint(const std::string &address, std::uint16_t port) {
    Endpoint result;
    result.port = port;
    result.address.family = address.find(':') == std::string::npos ? Family::ipv4 : Family::ipv6;
    const int family = result.address.family == Family::ipv4 ? AF_INET : AF_INET6;
    if (inet_pton(family, address.c_str(), result.address.bytes.data()) != 1)
        ADD_FAILURE() << address << " is no address";
    return result;
}

Endpoint none(Family family) {
    Endpoint result;
    result.address.family = family;
    return result;
}

SocketKey cookie(std::uint64_t value, std::uint32_t network_namespace) {
    return {value, network_namespace, SocketKey::Kind::cookie};
}

SocketKey inode(std::uint64_t value) {
    return {value, here, SocketKey::Kind::inode};
}

SocketKey tuple(std::uint64_t value) {
    return {value, here, SocketKey::Kind::tuple};
}

ProcessRef process(std::int32_t pid, Instant started_at, const std::string &command,
                   std::vector<std::int32_t> ancestors) {
    auto result = std::make_shared<Process>();
    result->key = {pid, started_at};
    result->command = command;
    for (const auto ancestor : ancestors)
        result->ancestors.push_back({ancestor, "ancestor"});
    return result;
}

Row listener(std::uint64_t socket, const Endpoint &local) {
    return {.key = cookie(socket),
            .local = local,
            .peer = none(local.address.family),
            .state = SocketState::listen};
}

Row connection(std::uint64_t socket, const Endpoint &local, const Endpoint &peer,
               SocketState state) {
    return {.key = cookie(socket), .local = local, .peer = peer, .state = state};
}

Row time_wait(std::uint64_t socket, const Endpoint &local, const Endpoint &peer) {
    return {.key = cookie(socket),
            .local = local,
            .peer = peer,
            .state = SocketState::time_wait,
            .inode = 0,
            .uid = 0};
}

Row datagram(std::uint64_t socket, const Endpoint &local, const Endpoint &peer) {
    return {.key = cookie(socket),
            .local = local,
            .peer = peer,
            .state = peer.port != 0 ? SocketState::established : SocketState::close,
            .protocol = Protocol::udp};
}

SocketDestroyed destroyed(const Row &row, When at) {
    return {row.key, row.protocol, row.local, row.peer, at, std::nullopt};
}

SocketDestroyed destroyed(const Row &row, Instant at) {
    return destroyed(row, When::observed(at));
}

SocketDestroyed destroyed(const Row &row, Instant at, TcpSummary tcp) {
    auto event = destroyed(row, at);
    event.tcp = tcp;
    return event;
}

namespace {

Table table_of(const std::vector<Row> &rows) {
    if (rows.empty())
        return {Protocol::tcp, Family::ipv4, here};
    const auto &row = rows.front();
    return {row.protocol, row.local.address.family, row.key.network_namespace};
}

void show(Ledger &ledger, const Table &table, Instant began, const std::vector<Row> &rows) {
    ledger.apply(ScanStarted{table, began});
    for (const auto &row : rows)
        ledger.apply(SocketSeen{row.key, row.protocol, row.local, row.peer, row.state, row.uid,
                                row.inode, began + row_read_after});
}

} // namespace

void Script::scan(Instant began, const std::vector<Row> &rows) {
    scan(table_of(rows), began, rows);
}

void Script::scan(const Table &table, Instant began, const std::vector<Row> &rows) {
    show(ledger, table, began, rows);
    apply(ScanFinished{table, began + scan_takes, Scope::all});
}

void Script::failing_scan(Instant began, const std::vector<Row> &rows) {
    show(ledger, table_of(rows), began, rows);
    apply(ScanFinished{table_of(rows), began + scan_takes, Scope::nothing});
}

void Script::seen(const SocketKey &key, const ProcessRef &process, Instant at) {
    apply(HolderSeen{key, process, at});
}

void Script::gone(const SocketKey &key, const ProcessRef &process, When at) {
    apply(HolderGone{key, process->key, at});
}

std::vector<Lease> Script::leases() {
    for (auto &lease : ledger.take_changes())
        known_.insert_or_assign(lease.serial, std::move(lease));
    std::vector<Lease> leases;
    for (const auto &[_, lease] : known_)
        leases.push_back(lease);
    return leases;
}

Lease Script::lease() {
    const auto all = leases();
    EXPECT_EQ(all.size(), 1U) << testing::PrintToString(all);
    return all.empty() ? Lease{} : all.front();
}

Lease Script::lease(const SocketKey &socket) {
    const auto all = leases();
    for (auto lease = all.rbegin(); lease != all.rend(); ++lease)
        if (lease->id.socket == socket)
            return *lease;
    ADD_FAILURE() << "no lease of " << testing::PrintToString(socket) << " in "
                  << testing::PrintToString(all);
    return {};
}

} // namespace portd::model::script
