#include "client/watch_table.hpp"

#include <algorithm>
#include <string>
#include <utility>

namespace portd::client {
namespace {

Cell event_cell(Event event) {
    const std::string word(portd::to_string(event));
    switch (event) {
    case Event::opened:
        return {word, Style::good};
    case Event::ended:
        return {word, Style::faint};
    case Event::open:
    case Event::ready:
    case Event::gap:
        return {word};
    }
    return {word};
}

// Of ordinary width in every column: what comes later is to find room.
proto::Lease ordinary_lease(std::int64_t now_usec) {
    proto::Lease lease;
    lease.local_address = "192.168.100.100";
    lease.local_port = 60609;
    lease.peer_address = lease.local_address;
    lease.peer_port = lease.local_port;
    lease.role = Role::listener;
    lease.phase = Phase::freed;
    lease.opened.usec = now_usec;
    lease.opened.provenance = Provenance::observed;
    lease.closed = lease.freed = lease.opened;
    lease.user = "www-data";
    lease.last_holder.provenance = Provenance::observed;
    lease.last_holder.pid = 1234567;
    lease.last_holder.command = "curl";
    lease.last_holder.user = lease.user;
    lease.last_holder.unit = "session-1.scope";
    lease.opener = lease.last_holder;
    lease.holders = {lease.opener};
    return lease;
}

} // namespace

WatchTable::WatchTable(const LeaseForm &form, Session &session) : form_(form), session_(session) {}

Row WatchTable::row_of(Event event, proto::Lease lease) const {
    Row row = lease_row(form_, FoldedLease{std::move(lease), 0});
    row.insert(row.begin(), event_cell(event));
    return row;
}

void WatchTable::add(Event event, proto::Lease lease) {
    Row row = row_of(event, std::move(lease));
    if (table_)
        print(row);
    else
        held_.push_back(std::move(row));
}

void WatchTable::begin() {
    std::vector<Column> columns = lease_columns(form_);
    columns.insert(columns.begin(), Column{"EVENT", Column::always});
    std::vector<Row> rows = held_;
    rows.push_back(row_of(Event::opened, ordinary_lease(form_.now_usec)));
    const auto width = form_.detail == Detail::wide ? std::nullopt : session_.look().width;
    table_.emplace(std::move(columns), rows, width, session_.look().charset);
    session_.output().line(table_->heading(session_.look().color));
    for (const Row &row : std::exchange(held_, {}))
        print(row);
}

void WatchTable::print(const Row &row) {
    session_.output().line(table_->line(row, session_.look().color));
}

} // namespace portd::client
