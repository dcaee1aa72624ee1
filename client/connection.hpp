// A blocking conversation with the daemon over its Varlink socket.
#pragma once

#include "proto/framing.hpp"
#include "proto/varlink.hpp"

#include <nlohmann/json_fwd.hpp>

#include <chrono>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace portd::client {

// There is no daemon, it refused, or it did not answer as a Varlink service does. The message is a
// sentence for people that says what to do where that is known; it is safe to print.
class ServiceError : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

// The daemon cannot use a value that it was asked with.
class RefusedValue : public ServiceError {
  public:
    RefusedValue(const std::string &message, std::string parameter)
        : ServiceError(message), parameter_(std::move(parameter)) {}
    const std::string &parameter() const { return parameter_; } // as on the wire

  private:
    std::string parameter_;
};

// The longest path that a Unix socket can have (sun_path, unix(7)).
inline constexpr std::size_t longest_socket_path = 107;

enum class Replies { one, many };

class Connection {
  public:
    // Connects, and throws ServiceError if that fails. Whenever the daemon then keeps silent for
    // `timeout`, next() throws.
    Connection(std::string path, std::chrono::microseconds timeout);
    ~Connection();
    Connection(const Connection &) = delete;
    Connection &operator=(const Connection &) = delete;

    void call(std::string_view method, const nlohmann::json &parameters, Replies replies);
    // The message of the next reply to the calls.
    std::string next_message();
    // The reply in a message. Throws ServiceError for an error reply too.
    proto::Reply reply_of(std::string_view message) const;
    proto::Reply next() { return reply_of(next_message()); }

    // For whoever waits for other things as well: the next message if it has been received; where
    // it has not, receive() takes what there is to read from the descriptor.
    std::optional<std::string> received_message();
    void receive();
    int descriptor() const { return fd_; }

  private:
    void connect();
    void send(std::string_view bytes);
    // Waits until there is something to read.
    void wait_until(std::chrono::steady_clock::time_point deadline);
    [[noreturn]] void fail(const std::string &what) const;

    std::string path_;
    std::chrono::microseconds timeout_;
    int fd_ = -1;
    proto::MessageReader reader_;
    bool received_ = false; // any byte
};

// What an error reply says, for people.
std::string describe_error(const proto::Reply &reply, const std::string &socket_path);

} // namespace portd::client
