#include "client/connection.hpp"

#include "client/format.hpp"

#include <nlohmann/json.hpp>

#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstring>
#include <memory>
#include <utility>
#include <variant>

namespace portd::client {
namespace {

// The daemon is trusted more than its callers: the answer of `who` for a busy port is one message.
constexpr proto::MessageLimits reply_limits{.bytes = 64 << 20, .depth = 64};

std::string printable(const std::string &path) {
    return escape_text(path, Charset::utf8);
}

bool is_socket(const std::string &path) {
    struct stat status {};
    return ::stat(path.c_str(), &status) == 0 && S_ISSOCK(status.st_mode);
}

std::string explain_connect_error(int error, const std::string &path) {
    const std::string where = printable(path);
    const std::string remedy =
        "start it with 'systemctl start portd', or name its socket with --socket";
    switch (error) {
    case ENOENT:
    case ENOTDIR:
        return "portd does not run (no socket at " + where + "); " + remedy;
    case ECONNREFUSED:
        if (!is_socket(path))
            return where + " is not a socket; name the socket of portd with --socket";
        return "portd does not run (nobody listens at " + where + "); " + remedy;
    case EACCES:
    case EPERM:
        return "permission denied for the socket " + where +
               "; ask an administrator for access to it";
    case EPROTOTYPE:
        return where + " is a socket, but not one of portd; name that with --socket";
    case EAGAIN:
    case EINPROGRESS:
        return "portd at " + where + " takes no connection; it is busy or stopped";
    default:
        return "cannot connect to " + where + ": " + std::strerror(error);
    }
}

void set_send_timeout(int fd, std::chrono::microseconds timeout) {
    timeval value{};
    value.tv_sec = timeout.count() / 1'000'000;
    value.tv_usec = timeout.count() % 1'000'000;
    ::setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &value, sizeof value);
}

// A parameter of an error as text.
std::string parameter(const proto::Reply &reply, const char *name) {
    const auto found = reply.parameters->find(name);
    if (found == reply.parameters->end() || found->is_null())
        return "";
    return escape_text(found->is_string() ? found->get<std::string>() : found->dump(),
                       Charset::utf8);
}

// What is typed where the name on the wire would puzzle.
std::string option_of(const std::string &parameter) {
    return parameter == "cursor"        ? "--cursor"
           : parameter == "afterCursor" ? "--after-cursor"
                                        : parameter;
}

std::string with_reason(std::string sentence, const std::string &reason) {
    return reason.empty() ? sentence : sentence + ": " + reason;
}

} // namespace

std::string describe_error(const proto::Reply &reply, const std::string &socket_path) {
    namespace errors = proto::errors;
    const std::string_view error = reply.error;
    const std::string reason = parameter(reply, "reason");
    if (error == errors::permission_denied)
        return "portd refused: permission denied; run as root or join group portd";
    if (error == errors::limit_exceeded)
        return "portd refused: its limit " + parameter(reply, "limit") + " (" +
               parameter(reply, "value") + ") is exceeded; try again later";
    if (error == errors::invalid_interval)
        return with_reason("portd refused the interval", reason);
    if (error == errors::invalid_parameter)
        return with_reason("portd refused the value of " + option_of(parameter(reply, "parameter")),
                           reason);
    if (error == errors::subscriber_too_slow)
        return "portd gave up: its answer was not read fast enough";
    if (error == errors::store_unavailable)
        return with_reason("portd cannot read its history", reason);
    if (error == errors::malformed)
        return with_reason("portd did not understand the question", reason);
    if (error == errors::interface_not_found)
        return "the service at " + printable(socket_path) +
               " is not portd; name the socket of portd with --socket";
    if (error == errors::method_not_found || error == errors::method_not_implemented)
        return "portd at " + printable(socket_path) + " has no " + parameter(reply, "method") +
               "; is it older than portd-ctl?";
    return "portd answered with the error " + escape_text(error, Charset::utf8);
}

Connection::Connection(std::string path, std::chrono::microseconds timeout)
    : path_(std::move(path)), timeout_(timeout), reader_(reply_limits) {
    connect();
}

Connection::~Connection() {
    if (fd_ >= 0)
        ::close(fd_);
}

void Connection::fail(const std::string &what) const {
    throw ServiceError(what);
}

void Connection::connect() {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path_.size() > longest_socket_path)
        fail("the path of the socket is longer than " + std::to_string(longest_socket_path) +
             " bytes: " + printable(path_));
    path_.copy(address.sun_path, path_.size());

    fd_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd_ < 0)
        fail(std::string("cannot make a socket: ") + std::strerror(errno));
    set_send_timeout(fd_, timeout_);
    const auto *generic = reinterpret_cast<const sockaddr *>(&address);
    if (::connect(fd_, generic, sizeof address) != 0) {
        const int error = errno;
        ::close(std::exchange(fd_, -1));
        fail(explain_connect_error(error, path_));
    }
}

void Connection::send(std::string_view bytes) {
    while (!bytes.empty()) {
        const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (sent >= 0) {
            bytes.remove_prefix(static_cast<std::size_t>(sent));
            continue;
        }
        if (errno == EINTR)
            continue;
        // A service that refuses callers hangs up early: its reason is still to be read.
        if (errno == EPIPE || errno == ECONNRESET)
            return;
        if (errno == EAGAIN)
            fail("portd at " + printable(path_) + " does not take the question");
        fail("cannot send to " + printable(path_) + ": " + std::strerror(errno));
    }
}

void Connection::call(std::string_view method, const nlohmann::json &parameters, Replies replies) {
    proto::Call call;
    call.method = method;
    call.more = replies == Replies::many;
    call.parameters = std::make_shared<const nlohmann::json>(parameters);
    std::string message = proto::format_call(call);
    message.push_back('\0');
    send(message);
}

void Connection::wait_until(std::chrono::steady_clock::time_point deadline) {
    using std::chrono::milliseconds;
    for (;;) {
        const auto left =
            std::chrono::ceil<milliseconds>(deadline - std::chrono::steady_clock::now());
        pollfd poll_fd{fd_, POLLIN, 0};
        const auto wait_ms = std::clamp<std::int64_t>(left.count(), 0, INT_MAX);
        const int ready = ::poll(&poll_fd, 1, static_cast<int>(wait_ms));
        if (ready > 0)
            return;
        if (ready < 0 && errno != EINTR)
            fail(std::string("cannot wait for portd: ") + std::strerror(errno));
        if (ready == 0 && left.count() <= INT_MAX)
            fail("portd at " + printable(path_) + " did not answer within " +
                 format_span(timeout_.count()) + "; see --timeout");
    }
}

void Connection::receive() {
    std::array<char, 64 * 1024> bytes;
    const ssize_t received = ::recv(fd_, bytes.data(), bytes.size(), 0);
    if (received > 0) {
        received_ = true;
        reader_.append({bytes.data(), static_cast<std::size_t>(received)});
        return;
    }
    if (received < 0 && errno == EINTR)
        return;
    if (received < 0 && errno != ECONNRESET)
        fail("cannot read from " + printable(path_) + ": " + std::strerror(errno));
    fail("portd at " + printable(path_) + " closed the connection " +
         (received_ ? "before the end of its answer" : "without an answer"));
}

std::optional<std::string> Connection::received_message() {
    if (auto message = reader_.next())
        return std::move(*message);
    switch (reader_.fault()) {
    case proto::MessageFault::none:
        break;
    case proto::MessageFault::too_long:
    case proto::MessageFault::too_deep:
        fail("the service at " + printable(path_) + " does not speak Varlink: a reply is too " +
             (reader_.fault() == proto::MessageFault::too_long ? "long" : "deeply nested"));
    }
    return std::nullopt;
}

proto::Reply Connection::reply_of(std::string_view message) const {
    auto parsed = proto::parse_reply(message);
    if (const auto *malformed = std::get_if<proto::Malformed>(&parsed))
        fail("the service at " + printable(path_) +
             " does not speak Varlink: " + escape_text(malformed->message, Charset::utf8));
    auto &reply = std::get<proto::Reply>(parsed);
    if (reply.error == proto::errors::invalid_parameter)
        throw RefusedValue(describe_error(reply, path_), parameter(reply, "parameter"));
    if (!reply.error.empty())
        fail(describe_error(reply, path_));
    return std::move(reply);
}

std::string Connection::next_message() {
    const auto deadline = std::chrono::steady_clock::now() + timeout_;
    for (;;) {
        if (auto message = received_message())
            return std::move(*message);
        wait_until(deadline);
        receive();
    }
}

} // namespace portd::client
