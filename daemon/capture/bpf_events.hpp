// The records of the BPF program (bpf/events.h), decoded. Pure.
#pragma once

#include "model/port_policy.hpp"
#include "model/process.hpp"
#include "model/socket.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace portd::capture {

// One image of one process, as the kernel names it. `exec_id` grows with every execve(2).
struct ImageId {
    std::uint64_t started_at_ns = 0; // CLOCK_BOOTTIME
    std::uint32_t pid = 0;
    std::uint32_t exec_id = 0;

    auto operator<=>(const ImageId &) const = default;
};

// The facts of an image. The views live as long as the record.
struct ImageTold {
    ImageId image;
    model::Instant at{};
    bool was_forked = false;   // runs what its parent ran
    bool is_exiting = false;   // its memory is gone: no executable, no arguments
    bool is_amid_exec = false; // the facts are of two programs; those of this image are not known
    std::optional<std::string> executable;
    std::optional<std::string> control_group;
    std::vector<std::string_view> arguments; // empty: not known
    std::string command;
    std::uint32_t uid = 0;
    std::uint32_t gid = 0;
    std::optional<std::uint32_t> login_uid;
    std::vector<model::Ancestor> ancestors;
};

struct ImageEnded {
    ImageId image;
    model::Instant at{};
};

struct ImageForked {
    ImageId child;
    ImageId parent;
};

struct SocketEvent {
    enum class Kind : std::uint8_t {
        bound,
        bind_failed,
        listening,
        connecting,
        connected,
        sent,
        udp_connecting,
        named_peer,
        released,
        closed,
    };

    Kind kind = Kind::closed;
    model::Instant at{};
    std::optional<ImageId> image;
    model::SocketKey key;
    Protocol protocol = Protocol::tcp;
    model::Endpoint local;
    model::Endpoint peer;
    model::SocketState state = model::SocketState::close;
    model::SocketState old_state = model::SocketState::close;
    std::uint32_t uid = 0;
    int error = 0;                               // errno(3)
    std::optional<std::uint16_t> requested_port; // of bind(2); 0: the kernel was to choose
    std::uint64_t bytes_sent = 0;
    std::uint64_t bytes_received = 0;
    bool is_kernels = false;
    bool is_port_locked = false;     // the program chose the port
    bool connect_chose_port = false; // of Kind::connecting; otherwise a bind(2) took it
    bool has_peer_closed = false;
    bool is_in_accept = false;
    bool is_in_exec = false;
    bool is_orphan = false;
};

// A socket that is there.
struct SocketRow {
    model::Instant at{};
    model::SocketKey key;
    Protocol protocol = Protocol::tcp;
    model::Endpoint local;
    model::Endpoint peer;
    model::SocketState state = model::SocketState::close;
    std::uint32_t uid = 0;
    bool is_held = false; // by the image that was told last before it
    bool is_kernels = false;
    bool is_port_locked = false;     // the program chose the port
    bool connect_chose_port = false; // of TCP; false: not known
    bool is_orphan = false;
};

// What a network namespace says of its ports.
struct NamespaceTold {
    std::uint32_t network_namespace = 0;
    model::NamespacePorts ports;
};

// No process has a socket of it any more, and no port of it is kept.
struct NamespaceEnded {
    std::uint32_t network_namespace = 0;
    model::Instant at{};
};

// Whether they differ in nothing but their time.
bool tell_the_same(const SocketRow &a, const SocketRow &b);

using BpfEvent = std::variant<ImageTold, ImageEnded, ImageForked, SocketEvent, SocketRow,
                              NamespaceTold, NamespaceEnded>;

// The length that the record at the start of `bytes` claims; nothing if they are too few for that.
std::optional<std::size_t> record_length(std::span<const std::byte> bytes);

// Nothing if the record is not a row. The others are told by decode_record().
std::optional<SocketRow> decode_row(std::span<const std::byte> record);

// Nothing if the record is not one.
std::optional<BpfEvent> decode_record(std::span<const std::byte> record);

} // namespace portd::capture

template <>
struct std::hash<portd::capture::ImageId> {
    std::size_t operator()(const portd::capture::ImageId &id) const noexcept {
        return (id.started_at_ns ^ id.exec_id) * 0x9e3779b97f4a7c15ULL + id.pid;
    }
};
