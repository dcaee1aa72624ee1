// One connection: reads calls, answers them in the order in which they came.
//
// One thing at a time: while a call is answered nothing is read, so that what a client sends ahead
// waits in the socket, and of an answer no more is made than the client takes. A session is always
// in one of these states, each of which has one pending operation:
//   reading    waits for bytes; closes if a message stays partial too long
//   queueing   waits for its turn to have a call answered, or the next page of a stream made
//   writing    waits for the client to take them; closes if it takes none for too long
//   pausing    between two looks of a stream at something that it waits for
//   waiting    all was told to a caller that follows; for news, or for the end of the connection
// It lives as long as an operation is pending. A caller that follows and takes nothing for too long
// is told so behind the reply that it has half of, and has as long again to take that.
#pragma once

#include "access.hpp"
#include "admission.hpp"
#include "limits.hpp"
#include "methods.hpp"
#include "proto/framing.hpp"
#include "subscribers.hpp"
#include "turns.hpp"

// <utility> before Asio: its awaitable.hpp forgets it.
#include <utility>

#include <array>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace portd::server {

class Session : public std::enable_shared_from_this<Session> {
  public:
    using Socket = boost::asio::local::stream_protocol::socket;

    // The backend, the turns and the subscribers outlive what the session does.
    Session(Socket socket, const Caller &caller, Admission::Place place, const Backend &backend,
            Turns &turns, Subscribers &subscribers, const Limits &limits);

    void start();

  private:
    enum class Then { next_call, next_page, close };
    enum class Handled { replying, nothing_to_say };

    void read();
    void proceed();
    void take_turn(Turns::Work work);
    Handled handle(std::string_view message);
    void begin_stream(std::unique_ptr<Stream> stream);
    void stream();
    void stream_in_turn();
    void stream_after(std::chrono::milliseconds pause);
    void wait_for_news();
    void end_stream();
    void send(std::string bytes, Then then);
    void write_on();
    void written();
    void run_out_of_patience();
    void send_too_slow();
    void arm(std::chrono::milliseconds patience);
    void disarm();
    bool is_gone();
    void close();

    Socket socket_;
    const Caller caller_;
    const Admission::Place place_;
    const Backend backend_;
    Turns &turns_;
    Subscribers &subscribers_;
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
    std::optional<Subscribers::Subscription> subscription_; // while it follows
    std::uint64_t words_heard_ = 0;                         // of news
    bool listens_for_end_ = false;                          // of the connection, while waiting
    bool is_too_slow_ = false;
};

} // namespace portd::server
