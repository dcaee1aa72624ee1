// A Varlink service on a real socket that says what a test tells it to, and a way to run portd-ctl
// against it with its output caught.
#pragma once

#include "proto/codec.hpp"
#include "proto/messages.hpp"
#include "proto/varlink.hpp"

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace portd::client::test {

// A directory of the test's own, removed with all that is in it.
class ScratchDirectory {
  public:
    ScratchDirectory();
    ~ScratchDirectory();
    ScratchDirectory(const ScratchDirectory &) = delete;
    ScratchDirectory &operator=(const ScratchDirectory &) = delete;
    std::string operator/(std::string_view name) const;

  private:
    std::string path_;
};

class FakeDaemon {
  public:
    enum class Then { go_on, hang_up };
    // Answers one call on the connection.
    using Script = std::function<Then(int fd, const proto::Call &call)>;

    explicit FakeDaemon(Script script);
    ~FakeDaemon();
    FakeDaemon(const FakeDaemon &) = delete;
    FakeDaemon &operator=(const FakeDaemon &) = delete;

    const std::string &path() const { return path_; }
    std::vector<proto::Call> calls() const;

  private:
    void serve();
    void converse(int fd);
    bool wait_readable(int fd) const; // false: the test is over

    Script script_;
    ScratchDirectory scratch_;
    std::string path_;
    int listener_ = -1;
    int stop_ = -1;
    mutable std::mutex mutex_;
    std::vector<proto::Call> calls_;
    std::thread thread_;
};

// Sends a message and its NUL.
void say(int fd, std::string_view message);

// A daemon that answers each call with these replies; the last one ends the answer.
FakeDaemon::Script replies(const std::vector<nlohmann::json> &parameters);

// The namespace of connection_lease().
inline constexpr std::int64_t own_namespace = 4026531840;

// A daemon in own_namespace whose history and list are these leases, then (history only) these bind
// failures, then this coverage.
struct Records {
    Records() { status.network_namespace = own_namespace; }

    std::vector<proto::Lease> leases;
    std::vector<proto::BindFailure> bind_failures;
    proto::Coverage coverage;
    bool withheld = false;
    proto::WhoReply who;
    proto::Explanation explanation;
    proto::Status status;
};
FakeDaemon::Script answers_from(Records records);

struct Outcome {
    int status = -1;
    std::string out;
    std::string err;
};

// Runs the command line with output and error output going to files.
Outcome run(const std::vector<std::string> &arguments);
// The same with the output on a terminal of this size; `out` has what the terminal got, with plain
// line ends.
Outcome run_on_terminal(const std::vector<std::string> &arguments, unsigned short columns,
                        unsigned short rows);
// The same with the error output alone on a terminal; `err` has what that got, as it came.
Outcome run_with_errors_on_terminal(const std::vector<std::string> &arguments);

// 2026-11-22 03:12:05 UTC.
inline constexpr std::int64_t t0 = 1'795'317'125'000'000;
inline constexpr std::int64_t second = 1'000'000;

proto::Moment observed(std::int64_t usec);
proto::Moment sampled(std::optional<std::int64_t> earliest, std::optional<std::int64_t> latest);
proto::Process process(std::int64_t pid, std::string command);
// A client's TCP connection from 10.0.0.5:60609 to 93.184.216.34:443, from t0 for 500 ms.
proto::Lease connection_lease();
// An attempt of python3[99] to bind 0.0.0.0:60609 at t0, refused because nginx[812] listened there.
proto::BindFailure refused_bind();
proto::Coverage watched(std::int64_t since_usec, std::int64_t until_usec);

} // namespace portd::client::test
