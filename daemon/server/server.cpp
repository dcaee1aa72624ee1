#include "server.hpp"

#include "access.hpp"
#include "admission.hpp"
#include "methods.hpp"
#include "peer.hpp"
#include "replies.hpp"
#include "session.hpp"
#include "subscribers.hpp"
#include "turns.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cerrno>
#include <fcntl.h>
#include <string>
#include <sys/socket.h>
#include <system_error>
#include <variant>

namespace portd::server {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;
using Protocol = asio::local::stream_protocol;

// The acceptor closes what it has; the listener keeps its own.
int duplicate(int fd) {
    const int copy = ::fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (copy < 0)
        throw std::system_error(errno, std::generic_category(), "listening socket");
    return copy;
}

// The buffer of a new connection takes this much without waiting.
void turn_away(int fd, const Refusal &refusal) {
    const std::string message = framed(limit_exceeded(refusal.limit, refusal.value));
    static_cast<void>(::send(fd, message.data(), message.size(), MSG_DONTWAIT | MSG_NOSIGNAL));
}

} // namespace

class Server::State {
  public:
    State(const Listener &listener, const Backend &backend, const Limits &limits)
        : backend_(backend),
          limits_(limits),
          portd_group_(group_named("portd")),
          admission_(limits),
          acceptor_(context_, Protocol(), duplicate(listener.fd())),
          pause_(context_),
          turns_([this] { asio::post(context_, [this] { turns_.run_one(); }); }) {
        acceptor_.non_blocking(true);
        accept();
    }

    void run() { context_.run(); }
    void stop() { context_.stop(); }
    void tell_news() {
        if (subscribers_.has_any())
            asio::post(context_, [this] { subscribers_.tell(); });
    }

  private:
    static constexpr int most_at_once = 128;

    void accept() {
        acceptor_.async_accept([this](const error_code &error, Protocol::socket socket) {
            if (error)
                return accept_later();
            welcome(std::move(socket));
            welcome_waiting();
            accept();
        });
    }

    // Between two handlers somebody's work is done: a crowd that is turned away must not make each
    // who comes behind it wait for as many pieces of work.
    void welcome_waiting() {
        for (int i = 0; i < most_at_once; ++i) {
            error_code error; // if it is not for want of others, it will be there again
            Protocol::socket socket = acceptor_.accept(error);
            if (error)
                return;
            welcome(std::move(socket));
        }
    }

    void accept_later() {
        pause_.expires_after(limits_.accept_pause);
        pause_.async_wait([this](const error_code &error) {
            if (!error)
                accept();
        });
    }

    void welcome(Protocol::socket socket) {
        try {
            admit(std::move(socket));
        } catch (const std::system_error &) {
            // The peer cannot be asked who it is: it is not answered.
        }
    }

    void admit(Protocol::socket socket) {
        const Peer peer = peer_of(socket.native_handle());
        auto admitted = admission_.admit(peer.uid);
        if (const auto *refusal = std::get_if<Refusal>(&admitted))
            return turn_away(socket.native_handle(), *refusal);
        const Caller caller{peer.uid, sight_of(peer.uid, peer.groups, portd_group_)};
        std::make_shared<Session>(std::move(socket), caller,
                                  std::move(std::get<Admission::Place>(admitted)), backend_, turns_,
                                  subscribers_, limits_)
            ->start();
    }

    // Sessions go with the context, and leave their places in the admission and among the
    // subscribers.
    const Backend backend_;
    const Limits limits_;
    const std::optional<std::uint32_t> portd_group_;
    Admission admission_;
    Subscribers subscribers_;
    asio::io_context context_{1};
    Protocol::acceptor acceptor_;
    asio::steady_timer pause_;
    Turns turns_; // goes before the context, which the sessions in it need
};

Server::Server(const Listener &listener, model::History &history, const model::Daemon &daemon,
               const Limits &limits)
    : state_(std::make_unique<State>(listener, Backend{history, daemon}, limits)) {}

Server::~Server() = default;

void Server::run() {
    state_->run();
}

void Server::stop() {
    state_->stop();
}

void Server::tell_news() {
    state_->tell_news();
}

} // namespace portd::server
