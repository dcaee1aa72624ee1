// Answers io.portd.Ports and org.varlink.service on a listening socket.
//
// Everything happens in the thread that calls run(). A connection costs at most one message and one
// page of an answer; how many there are, how long a message is and how long a client may dawdle are
// limits. Whatever a client does ends at most its own connection.
#pragma once

#include "limits.hpp"
#include "listen.hpp"
#include "model/history.hpp"

#include <memory>

namespace portd::server {

class Server {
  public:
    // The history and the daemon outlive the server and are used in the thread of run() only. Looks
    // up the group `portd`: one that is made later counts from the next start on.
    Server(const Listener &listener, model::History &history, const model::Daemon &daemon,
           const Limits &limits = {});
    ~Server();

    // Serves until stop(). Call it once. Throws std::system_error if the system fails it.
    void run();

    // Ends run(), also one that is yet to come. From any thread.
    void stop();

    // The history may have grown: those who follow it are told. From any thread; never waits for
    // them.
    void tell_news();

  private:
    class State;
    std::unique_ptr<State> state_;
};

} // namespace portd::server
