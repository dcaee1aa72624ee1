#include "session.hpp"

#include "proto/varlink.hpp"
#include "replies.hpp"

#include <boost/asio/buffer.hpp>
#include <nlohmann/json.hpp>
#include <poll.h>

namespace portd::server {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;

std::int64_t now_us() {
    using namespace std::chrono;
    return duration_cast<microseconds>(system_clock::now().time_since_epoch()).count();
}

} // namespace

Session::Session(Socket socket, const Caller &caller, Admission::Place place,
                 const Backend &backend, Turns &turns, Subscribers &subscribers,
                 const Limits &limits)
    : socket_(std::move(socket)),
      caller_(caller),
      place_(std::move(place)),
      backend_(backend),
      turns_(turns),
      subscribers_(subscribers),
      limits_(limits),
      deadline_(socket_.get_executor()),
      pause_(socket_.get_executor()),
      reader_(limits.message) {}

void Session::start() {
    read();
}

void Session::read() {
    if (!reader_.has_partial())
        disarm();
    else if (!waits_for_rest_)
        arm(limits_.partial_message);
    waits_for_rest_ = reader_.has_partial();

    socket_.async_read_some(
        asio::buffer(received_),
        [self = shared_from_this()](const error_code &error, std::size_t count) {
            // At the end of the stream every call before it has been answered.
            if (error)
                return self->close();
            self->reader_.append({self->received_.data(), count});
            self->proceed();
        });
}

void Session::proceed() {
    if (auto message = reader_.next()) {
        disarm();
        return take_turn([this, message = std::move(*message)] {
            if (handle(message) == Handled::nothing_to_say)
                proceed();
        });
    }
    switch (reader_.fault()) {
    case proto::MessageFault::none:
        return read();
    case proto::MessageFault::too_long:
        return send(framed(limit_exceeded("messageBytes", limits_.message.bytes)), Then::close);
    case proto::MessageFault::too_deep:
        return send(framed(limit_exceeded("messageDepth", limits_.message.depth)), Then::close);
    }
}

void Session::take_turn(Turns::Work work) {
    turns_.add(caller_.uid, [self = shared_from_this(), work = std::move(work)] {
        if (self->socket_.is_open())
            work();
    });
}

Session::Handled Session::handle(std::string_view message) {
    const auto parsed = proto::parse_call(message);
    if (const auto *malformed = std::get_if<proto::Malformed>(&parsed)) {
        send(framed(failure(proto::errors::malformed, "reason", malformed->message)), Then::close);
        return Handled::replying;
    }
    const auto &call = std::get<proto::Call>(parsed);
    // No method does anything but answer.
    if (call.oneway)
        return Handled::nothing_to_say;

    Answer answer = server::answer(call, caller_, backend_, now_us());
    if (const auto *reply = std::get_if<proto::Reply>(&answer)) {
        send(framed(*reply), Then::next_call);
    } else {
        begin_stream(std::move(std::get<std::unique_ptr<Stream>>(answer)));
    }
    return Handled::replying;
}

void Session::begin_stream(std::unique_ptr<Stream> stream) {
    disarm();
    stream_ = std::move(stream);
    if (stream_->follows())
        subscription_.emplace(subscribers_);
    words_heard_ = subscribers_.words();
    this->stream();
}

void Session::stream() {
    // A search that finds little would otherwise go on for somebody who has left.
    if (is_gone())
        return close();
    std::string bytes = stream_->next(backend_.history, now_us());
    if (stream_->finished()) {
        end_stream();
        send(std::move(bytes), Then::next_call);
    } else if (!bytes.empty()) {
        send(std::move(bytes), Then::next_page);
    } else if (stream_->is_waiting() && words_heard_ == subscribers_.words()) {
        wait_for_news();
    } else {
        words_heard_ = subscribers_.words();
        stream_after(stream_->pause());
    }
}

void Session::stream_after(std::chrono::milliseconds pause) {
    if (pause == std::chrono::milliseconds::zero())
        return stream_in_turn();
    pause_.expires_after(pause);
    pause_.async_wait([self = shared_from_this()](const error_code &) { self->stream_in_turn(); });
}

void Session::stream_in_turn() {
    take_turn([this] { stream(); });
}

void Session::end_stream() {
    stream_.reset();
    subscription_.reset();
}

// A caller that goes away, or sends more, makes the socket readable. More is read once the stream
// is over; whether the caller has gone is looked at again at each word of news.
void Session::wait_for_news() {
    subscribers_.wait([weak = weak_from_this()] {
        if (const auto self = weak.lock(); self && self->socket_.is_open()) {
            self->words_heard_ = self->subscribers_.words();
            self->deadline_.cancel();
            self->stream_in_turn();
        }
    });
    deadline_.async_wait([self = shared_from_this()](const error_code &) {});
    if (std::exchange(listens_for_end_, true))
        return;
    socket_.async_wait(Socket::wait_read, [self = shared_from_this()](const error_code &error) {
        if (!error && self->is_gone())
            self->close();
    });
}

void Session::send(std::string bytes, Then then) {
    out_ = std::move(bytes);
    taken_ = 0;
    then_ = then;
    write_on();
}

void Session::write_on() {
    arm(limits_.unread_answer);
    socket_.async_write_some(
        asio::buffer(out_.data() + taken_, out_.size() - taken_),
        [self = shared_from_this()](const error_code &error, std::size_t count) {
            self->taken_ += count;
            if (self->is_too_slow_ && self->then_ != Then::close)
                return self->send_too_slow();
            if (error)
                return self->close();
            self->taken_ < self->out_.size() ? self->write_on() : self->written();
        });
}

void Session::written() {
    disarm();
    out_ = {};
    switch (then_) {
    case Then::next_call:
        return proceed();
    case Then::next_page:
        return stream_in_turn();
    case Then::close:
        return close();
    }
}

void Session::run_out_of_patience() {
    if (!subscription_ || is_too_slow_)
        return close();
    is_too_slow_ = true;
    error_code ignored;
    socket_.cancel(ignored); // the write, which ends with what was taken
}

void Session::send_too_slow() {
    const auto waited = std::chrono::microseconds(limits_.unread_answer).count();
    const bool is_between = taken_ == 0 || out_[taken_ - 1] == '\0';
    if (!is_between)
        out_.resize(out_.find('\0', taken_) + 1);
    else
        out_.resize(taken_);
    end_stream();
    send(out_.substr(taken_) + framed(failure(proto::errors::subscriber_too_slow,
                                              nlohmann::json{{"waitedUsec", waited}})),
         Then::close);
}

void Session::arm(std::chrono::milliseconds patience) {
    deadline_.expires_after(patience);
    deadline_.async_wait([weak = weak_from_this()](const error_code &error) {
        const auto self = weak.lock();
        // The deadline may have moved when its first expiry was already on its way.
        if (!error && self && self->deadline_.expiry() <= std::chrono::steady_clock::now())
            self->run_out_of_patience();
    });
}

void Session::disarm() {
    waits_for_rest_ = false;
    deadline_.expires_at(std::chrono::steady_clock::time_point::max());
}

bool Session::is_gone() {
    pollfd peer{socket_.native_handle(), 0, 0};
    return ::poll(&peer, 1, 0) == 1 && (peer.revents & (POLLHUP | POLLERR)) != 0;
}

void Session::close() {
    error_code ignored;
    socket_.close(ignored);
    deadline_.cancel();
}

} // namespace portd::server
