// Folding: a listener and the connections that it accepted share one port, and a busy server would
// fill an answer with thousands of rows that say the same. A connection is counted on the row of
// its listener instead of having one of its own, if that listener is among the rows. Pure.
//
// A listener is a connection's own if both are of the same boot, namespace, protocol and port, the
// listener's address takes the connection's in, and the connection can have been opened while the
// listener was there. Of several, the one with the very address wins, then the one opened last.
//
// Bind failures keep their place between the leases.
//
// Rows can be taken before all leases have come, so that an answer of any length needs bounded
// memory. Connections of a listener that was already taken are counted apart, as `late`.
#pragma once

#include "proto/messages.hpp"

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <variant>
#include <vector>

namespace portd::client {

enum class Folding { on, off };

struct FoldedLease {
    proto::Lease lease;
    std::size_t accepted = 0; // connections that are counted here instead of shown
};

using FoldedRow = std::variant<FoldedLease, proto::BindFailure>;

class Fold {
  public:
    explicit Fold(Folding folding) : folding_(folding) {}

    void add(proto::Lease lease);
    void add(proto::BindFailure failure);
    // What is held in memory: the rows that were not taken yet, with those that were folded
    // away after they had come.
    std::size_t held() const { return rows_.size(); }
    // The rows in the order in which they came.
    std::vector<FoldedRow> take();

    // Connections whose listener was taken before they came.
    std::size_t late() const { return late_; }

  private:
    struct Pending {
        FoldedRow row;
        bool removed = false;
    };
    struct Listener {
        std::string address;
        std::optional<std::int64_t> opened_earliest;
        std::optional<std::int64_t> ended_latest; // absent: open, or not known
        std::optional<std::size_t> row;           // absent: taken
    };
    // Boot, namespace, protocol, port.
    using Key = std::tuple<std::string, std::int64_t, Protocol, std::int64_t>;

    // Of one key, the listeners that came last are remembered: work and memory stay bounded on a
    // port whose service is started again and again.
    static constexpr std::size_t most_listeners = 64;

    static Key key_of(const proto::Lease &lease);
    static bool admits(const Listener &listener, const proto::Lease &accepted);
    static Listener *own_listener(std::vector<Listener> &listeners, const proto::Lease &accepted);
    FoldedLease &lease_row(std::size_t row) { return std::get<FoldedLease>(rows_[row].row); }
    bool count_under_listener(const proto::Lease &accepted);
    void adopt_earlier_rows(const Key &key, std::size_t listener_row);

    Folding folding_;
    std::vector<Pending> rows_;
    std::size_t late_ = 0;
    std::map<Key, std::vector<Listener>> listeners_;
    std::map<Key, std::vector<std::size_t>> unclaimed_; // rows of accepted connections
};

} // namespace portd::client
