#include "capture/procfs_source.hpp"

#include "capture/namespace_ports.hpp"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <system_error>
#include <unistd.h>
#include <utility>

namespace portd::capture {
namespace {

struct Read {
    std::string text;
    int error = 0; // errno value
};

Read read_whole(const std::string &path) {
    Read result;
    const system::Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!file)
        return {{}, errno};
    constexpr std::size_t step = 64 * 1024;
    for (;;) {
        const auto size = result.text.size();
        result.text.resize(size + step);
        const ssize_t length = ::read(file.get(), result.text.data() + size, step);
        result.text.resize(size + (length > 0 ? static_cast<std::size_t>(length) : 0));
        if (length == 0)
            return result;
        if (length < 0 && errno != EINTR) {
            result.error = errno;
            return result;
        }
    }
}

std::string table_path(const std::string &proc_root, Protocol protocol, Family family) {
    return proc_root + "/net/" + std::string(to_string(protocol)) +
           (family == Family::ipv6 ? "6" : "");
}

model::SocketKey key_of(const ProcNetRow &row, Protocol protocol, std::uint32_t network_namespace) {
    using Kind = model::SocketKey::Kind;
    if (row.inode != 0)
        return {row.inode, network_namespace, Kind::inode};
    // FNV-1a over what tells two sockets without inode apart.
    std::uint64_t hash = 0xcbf29ce484222325ULL;
    const auto mix = [&](unsigned byte) { hash = (hash ^ (byte & 0xff)) * 0x100000001b3ULL; };
    mix(static_cast<unsigned>(protocol));
    for (const auto &end : {row.local, row.peer}) {
        for (const auto byte : end.address.bytes)
            mix(byte);
        mix(end.port);
        mix(unsigned{end.port} >> 8);
    }
    return {hash, network_namespace, Kind::tuple};
}

} // namespace

ProcfsSource::ProcfsSource(PortFilter records, Attribution attribution, const model::Clock &clock,
                           std::string proc_root)
    : records_(std::move(records)),
      attribution_(std::move(attribution)),
      clock_(clock),
      proc_root_(std::move(proc_root)),
      network_namespace_(own_network_namespace(proc_root_)) {
    const auto path = table_path(proc_root_, Protocol::tcp, Family::ipv4);
    if (const auto table = read_whole(path); table.error)
        throw std::system_error(table.error, std::generic_category(), "cannot read " + path);
}

std::vector<std::string> ProcfsSource::limitations() const {
    auto limitations = attribution_.limitations();
    limitations.emplace_back(
        "/proc/net has no destroy events: a socket that lives between two samples is not seen");
    return limitations;
}

void ProcfsSource::read_events(Promptness, const Sink &) {
    attribution_.read_process_events();
}

std::string ProcfsSource::scan(Protocol protocol, Family family, const Sink &sink) {
    const model::Table table{protocol, family, network_namespace_};
    const auto path = table_path(proc_root_, protocol, family);
    sink(model::ScanStarted{table, clock_.now()});
    const Read read = read_whole(path);
    const model::Instant now = clock_.now();
    // A kernel without IPv6 has no such file, and no such sockets.
    const bool no_table = read.error == ENOENT && family == Family::ipv6;
    ProcNetTable parsed;
    if (!no_table)
        parsed = parse_proc_net(read.text, family);
    for (const auto &row : parsed.rows) {
        if (row.local.port == 0 || !records_(row.local.port))
            continue;
        const auto key = key_of(row, protocol, network_namespace_);
        sink(model::SocketSeen{key, protocol, row.local, row.peer, row.state, row.uid, row.inode,
                               now});
        if (row.inode != 0)
            attribution_.present(row.inode, key);
    }
    std::string failure;
    if (read.error && !no_table)
        failure = "cannot read " + path + ": " + std::strerror(read.error);
    else if (parsed.truncated || parsed.malformed_rows > 0)
        failure = path + " has rows that cannot be read";
    sink(model::ScanFinished{table, now,
                             failure.empty() ? model::Scope::all : model::Scope::nothing});
    return failure;
}

Sample ProcfsSource::sample(const Sink &sink) {
    Sample sample{.began = clock_.now(), .failure = {}};
    for (const auto protocol : {Protocol::tcp, Protocol::udp}) {
        for (const auto family : {Family::ipv4, Family::ipv6}) {
            auto failure = scan(protocol, family, sink);
            if (sample.failure.empty())
                sample.failure = std::move(failure);
        }
    }
    attribution_.resolve(clock_.now(), sink);
    return sample;
}

} // namespace portd::capture
