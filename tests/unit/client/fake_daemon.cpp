#include "unit/client/fake_daemon.hpp"

#include "client/command_line.hpp"
#include "proto/framing.hpp"

#include <nlohmann/json.hpp>

#include <poll.h>
#include <pty.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <system_error>
#include <utility>

namespace portd::client::test {
namespace {

[[noreturn]] void fail(const char *what) {
    throw std::system_error(errno, std::generic_category(), what);
}

std::string contents(int fd) {
    std::string text;
    std::array<char, 65536> bytes{};
    ::lseek(fd, 0, SEEK_SET);
    for (ssize_t got = 0; (got = ::read(fd, bytes.data(), bytes.size())) > 0;)
        text.append(bytes.data(), static_cast<std::size_t>(got));
    return text;
}

std::vector<const char *> with_program(const std::vector<std::string> &arguments) {
    std::vector<const char *> result{"portd-ctl"};
    for (const std::string &argument : arguments)
        result.push_back(argument.c_str());
    return result;
}

} // namespace

ScratchDirectory::ScratchDirectory() {
    std::string pattern = std::filesystem::temp_directory_path() / "portd-ctl-test-";
    pattern.append(6, 'X'); // mkdtemp(3)
    if (!::mkdtemp(pattern.data()))
        fail("mkdtemp");
    path_ = pattern;
}
ScratchDirectory::~ScratchDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
}
std::string ScratchDirectory::operator/(std::string_view name) const {
    return path_ + "/" + std::string(name);
}

FakeDaemon::FakeDaemon(Script script) : script_(std::move(script)) {
    path_ = scratch_ / "socket";
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path_.copy(address.sun_path, sizeof address.sun_path - 1);
    listener_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    stop_ = ::eventfd(0, EFD_CLOEXEC);
    if (listener_ < 0 || stop_ < 0 ||
        ::bind(listener_, reinterpret_cast<const sockaddr *>(&address), sizeof address) != 0 ||
        ::listen(listener_, 8) != 0)
        fail("fake daemon");
    thread_ = std::thread([this] { serve(); });
}

FakeDaemon::~FakeDaemon() {
    const std::uint64_t one = 1;
    if (::write(stop_, &one, sizeof one) != sizeof one)
        std::abort();
    thread_.join();
    ::close(listener_);
    ::close(stop_);
}

std::vector<proto::Call> FakeDaemon::calls() const {
    const std::lock_guard lock(mutex_);
    return calls_;
}

bool FakeDaemon::wait_readable(int fd) const {
    std::array<pollfd, 2> fds{pollfd{fd, POLLIN, 0}, pollfd{stop_, POLLIN, 0}};
    ::poll(fds.data(), fds.size(), -1);
    return fds[1].revents == 0;
}

void FakeDaemon::serve() {
    while (wait_readable(listener_)) {
        const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
        if (fd < 0)
            continue;
        converse(fd);
        ::close(fd);
    }
}

void FakeDaemon::converse(int fd) {
    proto::MessageReader reader;
    std::array<char, 4096> bytes{};
    while (wait_readable(fd)) {
        const ssize_t got = ::recv(fd, bytes.data(), bytes.size(), 0);
        if (got <= 0)
            return;
        reader.append({bytes.data(), static_cast<std::size_t>(got)});
        while (const auto message = reader.next()) {
            const auto parsed = proto::parse_call(*message);
            const auto *call = std::get_if<proto::Call>(&parsed);
            if (!call)
                return;
            {
                const std::lock_guard lock(mutex_);
                calls_.push_back(*call);
            }
            if (script_(fd, *call) == Then::hang_up)
                return;
        }
    }
}

void say(int fd, std::string_view message) {
    std::string framed(message);
    framed.push_back('\0');
    std::string_view rest = framed;
    while (!rest.empty()) {
        const ssize_t sent = ::send(fd, rest.data(), rest.size(), MSG_NOSIGNAL);
        if (sent <= 0)
            return; // the caller went away, as `| head` does
        rest.remove_prefix(static_cast<std::size_t>(sent));
    }
}

FakeDaemon::Script replies(const std::vector<nlohmann::json> &parameters) {
    return [parameters](int fd, const proto::Call &) {
        for (std::size_t i = 0; i < parameters.size(); ++i) {
            proto::Reply reply;
            reply.continues = i + 1 < parameters.size();
            reply.parameters = std::make_shared<const nlohmann::json>(parameters[i]);
            say(fd, proto::format_reply(reply));
        }
        return FakeDaemon::Then::go_on;
    };
}

FakeDaemon::Script answers_from(Records records) {
    return [records = std::move(records)](int fd, const proto::Call &call) {
        const auto reply = [fd](const nlohmann::json &parameters, bool continues) {
            proto::Reply message;
            message.continues = continues;
            message.parameters = std::make_shared<const nlohmann::json>(parameters);
            say(fd, proto::format_reply(message));
        };
        if (call.method == proto::methods::history || call.method == proto::methods::list) {
            for (const proto::Lease &lease : records.leases)
                reply(proto::encode(proto::LeaseReply{lease, {}, {}, {}, false}), true);
            if (call.method == proto::methods::history)
                for (const proto::BindFailure &failure : records.bind_failures)
                    reply(proto::encode(proto::LeaseReply{{}, failure, {}, {}, false}), true);
            reply(proto::encode(proto::LeaseReply{{}, {}, {}, records.coverage, records.withheld}),
                  false);
        } else if (call.method == proto::methods::who) {
            reply(proto::encode(records.who), false);
        } else if (call.method == proto::methods::explain) {
            reply(proto::encode(records.explanation), false);
        } else {
            reply(proto::encode(records.status), false);
        }
        return FakeDaemon::Then::go_on;
    };
}

Outcome run(const std::vector<std::string> &arguments) {
    const int out = ::memfd_create("out", MFD_CLOEXEC);
    const int err = ::memfd_create("err", MFD_CLOEXEC);
    Outcome outcome;
    outcome.status = static_cast<int>(run_command_line(with_program(arguments), {out, err}));
    outcome.out = contents(out);
    outcome.err = contents(err);
    ::close(out);
    ::close(err);
    return outcome;
}

namespace {

// Runs with a terminal of this size as the output, or as the error output; the other is a file.
Outcome run_with_terminal(const std::vector<std::string> &arguments, unsigned short columns,
                          unsigned short rows, bool as_output) {
    int master = -1;
    int terminal = -1;
    winsize size{};
    size.ws_col = columns;
    size.ws_row = rows;
    if (::openpty(&master, &terminal, nullptr, nullptr, &size) != 0)
        fail("openpty");
    const int file = ::memfd_create("other", MFD_CLOEXEC);
    Outcome outcome;
    std::string &on_screen = as_output ? outcome.out : outcome.err;
    std::string &in_file = as_output ? outcome.err : outcome.out;
    std::thread screen([&] {
        std::array<char, 4096> bytes{};
        for (ssize_t got = 0; (got = ::read(master, bytes.data(), bytes.size())) > 0;)
            on_screen.append(bytes.data(), static_cast<std::size_t>(got));
    });
    const Streams streams = as_output ? Streams{terminal, file} : Streams{file, terminal};
    const auto status = run_command_line(with_program(arguments), streams);
    ::close(terminal); // the reader gets EIO once it has read everything
    screen.join();
    ::close(master);
    outcome.status = static_cast<int>(status);
    if (as_output)
        std::erase(outcome.out, '\r');
    in_file = contents(file);
    ::close(file);
    return outcome;
}

} // namespace

Outcome run_on_terminal(const std::vector<std::string> &arguments, unsigned short columns,
                        unsigned short rows) {
    return run_with_terminal(arguments, columns, rows, true);
}

Outcome run_with_errors_on_terminal(const std::vector<std::string> &arguments) {
    return run_with_terminal(arguments, 80, 24, false);
}

proto::Moment observed(std::int64_t usec) {
    return {usec, std::nullopt, std::nullopt, Provenance::observed};
}

proto::Moment sampled(std::optional<std::int64_t> earliest, std::optional<std::int64_t> latest) {
    return {std::nullopt, earliest, latest, Provenance::sampled};
}

proto::Process process(std::int64_t pid, std::string command) {
    proto::Process process;
    process.provenance = Provenance::sampled;
    process.pid = pid;
    process.start_usec = t0 - 3600 * second;
    process.command = std::move(command);
    return process;
}

proto::Lease connection_lease() {
    proto::Lease lease;
    lease.id = "b1-4026531840-77-1";
    lease.boot_id = "b1";
    lease.local_address = "10.0.0.5";
    lease.local_port = 60609;
    lease.peer_address = "93.184.216.34";
    lease.peer_port = 443;
    lease.network_namespace = own_namespace;
    lease.role = Role::client;
    lease.phase = Phase::freed;
    lease.opened = observed(t0);
    lease.closed = observed(t0 + second / 2);
    lease.freed = observed(t0 + 60 * second);
    lease.uid = 1000;
    lease.user = "alice";
    lease.opener = process(8123, "curl");
    lease.last_holder = lease.opener;
    lease.holders = {lease.opener};
    return lease;
}

proto::BindFailure refused_bind() {
    proto::Lease listener = connection_lease();
    listener.local_address = "0.0.0.0";
    listener.peer_address.reset();
    listener.role = Role::listener;
    listener.phase = Phase::listening;
    listener.opened = observed(t0 - second);
    listener.closed.reset();
    listener.freed.reset();
    listener.opener = listener.last_holder = process(812, "nginx");
    listener.holders = {listener.opener};

    proto::BindFailure failure;
    failure.boot_id = "b1";
    failure.at_usec = t0;
    failure.local_address = "0.0.0.0";
    failure.local_port = 60609;
    failure.network_namespace = own_namespace;
    failure.uid = 1000;
    failure.user = "alice";
    failure.process = process(99, "python3");
    failure.error = "EADDRINUSE";
    failure.error_provenance = Provenance::inferred;
    failure.in_the_way = {listener};
    return failure;
}

proto::Coverage watched(std::int64_t since_usec, std::int64_t until_usec) {
    proto::Coverage coverage;
    coverage.intervals = {{since_usec, until_usec, CaptureTier::sock_diag}};
    coverage.complete = true;
    return coverage;
}

} // namespace portd::client::test
