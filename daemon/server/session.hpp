// One connection: reads calls, answers them in the order in which they came.
//
// One thing at a time: while a call is answered nothing is read, so that what a client sends ahead
// waits in the socket, and of an answer no more is made than the client takes. A session is always
// in one of these states, each of which has one pending operation:
//   reading    waits for bytes; closes if a message stays partial too long
//   writing    waits for the client to take them; closes if it takes none for too long
//   streaming  between two pages of a stream; other sessions have their turn
// It lives as long as an operation is pending.
#pragma once

#include "access.hpp"
#include "admission.hpp"
#include "limits.hpp"
#include "methods.hpp"
#include "proto/framing.hpp"

// <utility> before Asio: its awaitable.hpp forgets it.
#include <utility>

#include <array>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

namespace portd::server {

class Session : public std::enable_shared_from_this<Session> {
  public:
    using Socket = boost::asio::local::stream_protocol::socket;

    // The backend outlives the session.
    Session(Socket socket, const Caller &caller, Admission::Place place, const Backend &backend,
            const Limits &limits);

    void start();

  private:
    enum class Then { next_call, next_page, close };
    enum class Handled { replying, nothing_to_say };

    void read();
    void proceed();
    Handled handle(std::string_view message);
    void stream();
    void stream_after(std::chrono::milliseconds pause);
    void send(std::string bytes, Then then);
    void write_on();
    void written();
    void arm(std::chrono::milliseconds patience);
    void disarm();
    bool is_gone();
    void close();

    Socket socket_;
    const Caller caller_;
    const Admission::Place place_;
    const Backend backend_;
    const Limits limits_;
    boost::asio::steady_timer deadline_;
    boost::asio::steady_timer pause_; // of a stream that has nothing to say yet

    proto::MessageReader reader_;
    std::array<char, 8192> received_;
    bool waits_for_rest_ = false; // the deadline runs for the partial message in reader_

    std::string out_;
    std::size_t taken_ = 0; // of out_, by the client
    Then then_ = Then::next_call;
    std::unique_ptr<Stream> stream_;
};

} // namespace portd::server
