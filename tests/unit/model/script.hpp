// A script of observations for the ledger, told in the words of the kernel's tables, and what the
// ledger made of it.
#pragma once

#include "model/ledger.hpp"

#include <cstdint>
#include <gtest/gtest.h>
#include <iosfwd>
#include <map>
#include <string>
#include <vector>

namespace portd::model {

void PrintTo(const When &when, std::ostream *out);
void PrintTo(const SocketKey &key, std::ostream *out);
void PrintTo(const Lease &lease, std::ostream *out);
void showValue(const When &when, std::ostream &out); // for RapidCheck

} // namespace portd::model

namespace portd::model::script {

constexpr std::uint32_t here = 4026531840; // a network namespace

constexpr Instant ms(std::int64_t milliseconds) {
    return Instant{std::chrono::milliseconds(milliseconds)};
}

// "192.0.2.1" or "2001:db8::1"
Endpoint endpoint(const std::string &address, std::uint16_t port);
Endpoint none(Family family = Family::ipv4); // no peer

SocketKey cookie(std::uint64_t value, std::uint32_t network_namespace = here);
SocketKey inode(std::uint64_t value);
SocketKey tuple(std::uint64_t value);

ProcessRef process(std::int32_t pid, Instant started_at, const std::string &command = "daemon",
                   std::vector<std::int32_t> ancestors = {});

// A row of a table. Times are filled in by Script::scan.
struct Row {
    SocketKey key;
    Endpoint local;
    Endpoint peer;
    SocketState state = SocketState::established;
    std::uint32_t inode = 77;
    std::uint32_t uid = 1000;
    Protocol protocol = Protocol::tcp;
};

Row listener(std::uint64_t socket, const Endpoint &local);
Row connection(std::uint64_t socket, const Endpoint &local, const Endpoint &peer,
               SocketState state = SocketState::established);
// As the kernel shows TIME_WAIT: of nobody, with a cookie of its own.
Row time_wait(std::uint64_t socket, const Endpoint &local, const Endpoint &peer);
Row datagram(std::uint64_t socket, const Endpoint &local, const Endpoint &peer = none());

// Of a row as last seen, `at` this moment.
SocketDestroyed destroyed(const Row &row, When at);
SocketDestroyed destroyed(const Row &row, Instant at);
// With what tcp_info says of a connection.
SocketDestroyed destroyed(const Row &row, Instant at, TcpSummary tcp);
constexpr TcpSummary refused{};
constexpr TcpSummary completed{
    .established = true, .bytes_sent = 10, .bytes_received = 20, .idle = {}};

class Script {
  public:
    explicit Script(std::int64_t first_serial = 1, Ledger::Limits limits = {})
        : ledger(first_serial, limits) {}

    // A complete scan of the IPv4 TCP table (or the table of the first row), from `began` until
    // 10 ms later; the rows are read 5 ms after `began`.
    void scan(Instant began, const std::vector<Row> &rows = {});
    // The same of another table.
    void scan(const Table &table, Instant began, const std::vector<Row> &rows);
    // The same, but it fails after these rows.
    void failing_scan(Instant began, const std::vector<Row> &rows = {});
    void apply(const Observation &observation) { ledger.apply(observation); }
    void seen(const SocketKey &key, const ProcessRef &process, Instant at);
    void gone(const SocketKey &key, const ProcessRef &process, When at);

    // Every lease that the ledger ever gave out, as it was last, by serial.
    std::vector<Lease> leases();
    // The only one, or that of the socket (or the newest of it); fails the test if there is none.
    Lease lease();
    Lease lease(const SocketKey &socket);

    Ledger ledger;

  private:
    std::map<std::int64_t, Lease> known_;
};

constexpr auto scan_takes = std::chrono::milliseconds(10);
constexpr auto row_read_after = std::chrono::milliseconds(5);

} // namespace portd::model::script
