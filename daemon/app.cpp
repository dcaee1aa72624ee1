#include "app.hpp"

// <utility> first: Boost's awaitable.hpp forgets it.
#include <utility>

#include "capture/tiers.hpp"
#include "command_line.hpp"
#include "live_status.hpp"
#include "recorder.hpp"
#include "server/listen.hpp"
#include "server/server.hpp"
#include "store/fault.hpp"
#include "store/reader.hpp"
#include "store/writer.hpp"
#include "system/clock.hpp"
#include "system/log.hpp"
#include "system/service.hpp"

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <csignal>
#include <cstdio>
#include <exception>
#include <list>
#include <map>
#include <set>
#include <spdlog/spdlog.h>
#include <thread>

namespace portd {
namespace {

namespace asio = boost::asio;
using capture::Promptness;
using std::chrono::steady_clock;

// What arrives between two samples is stored this soon.
constexpr auto commit_delay = std::chrono::milliseconds(200);

// A timer this late means that the process did not run meanwhile (stopped, or the machine is
// loaded): what it finds has not just happened.
constexpr auto late = std::chrono::milliseconds(50);

// Watches the source's descriptors and the clock, and makes the recorder work. One thread.
class CaptureLoop {
  public:
    CaptureLoop(const Settings &settings, capture::Source &source, Recorder &recorder)
        : interval_(settings.interval),
          reading_period_(source.reading_period()),
          recorder_(recorder),
          sample_timer_(context_),
          commit_timer_(context_),
          reading_timer_(context_),
          signals_(context_, SIGTERM, SIGINT) {
        for (const int fd : source.descriptors())
            watched_.emplace_back(context_, fd);
    }
    ~CaptureLoop() {
        for (auto &descriptor : watched_)
            descriptor.release(); // the source owns it
    }

    // Until SIGTERM or SIGINT, or until stop().
    void run() {
        signals_.async_wait([this](const boost::system::error_code &error, int signal) {
            if (error)
                return;
            spdlog::info("stopping on {}", signal == SIGTERM ? "SIGTERM" : "SIGINT");
            context_.stop();
        });
        for (auto &descriptor : watched_)
            watch(descriptor);
        schedule_sample();
        if (reading_period_ > reading_period_.zero())
            schedule_reading();
        context_.run();
        recorder_.read_events(Promptness::after_work);
        recorder_.finish();
    }

    void stop() {
        asio::post(context_, [this] { context_.stop(); });
    }

  private:
    using Descriptor = asio::posix::stream_descriptor;

    void watch(Descriptor &descriptor) {
        descriptor.async_wait(Descriptor::wait_read,
                              [this, &descriptor](const boost::system::error_code &error) {
                                  if (error)
                                      return;
                                  read_events();
                                  watch(descriptor);
                              });
    }

    void read_events() {
        recorder_.read_events(promptness());
        if (recorder_.is_pressed())
            commit();
        else
            schedule_commit();
    }

    Promptness promptness() const {
        return steady_clock::now() > sample_timer_.expiry() + late ? Promptness::after_work
                                                                   : Promptness::prompt;
    }

    // A sampled time lies between the start of one sample and the end of the next: the timer is
    // early by what a sample takes, so that this is no more than the interval.
    void schedule_sample() {
        const auto period = std::max(interval_ - 2 * sample_took_, interval_ / 2);
        sample_timer_.expires_at(std::max(sampled_at_ + period, steady_clock::now()));
        sample_timer_.async_wait([this](const boost::system::error_code &error) {
            if (error)
                return;
            recorder_.read_events(promptness());
            sampled_at_ = steady_clock::now();
            recorder_.sample();
            sample_took_ = steady_clock::now() - sampled_at_;
            commit();
            schedule_sample();
        });
    }

    void schedule_reading() {
        reading_timer_.expires_after(reading_period_);
        reading_timer_.async_wait([this](const boost::system::error_code &error) {
            if (error)
                return;
            read_events();
            schedule_reading();
        });
    }

    void schedule_commit() {
        if (commit_scheduled_ || !recorder_.has_news())
            return;
        commit_scheduled_ = true;
        commit_timer_.expires_after(commit_delay);
        commit_timer_.async_wait([this](const boost::system::error_code &error) {
            commit_scheduled_ = false;
            if (!error && recorder_.has_news())
                commit();
        });
    }

    // Storing may take its time: what is there afterwards arrived during it.
    void commit() {
        recorder_.commit();
        recorder_.read_events(Promptness::after_work);
        schedule_commit();
    }

    const steady_clock::duration interval_;
    const steady_clock::duration reading_period_;
    Recorder &recorder_;
    asio::io_context context_{1};
    asio::steady_timer sample_timer_;
    asio::steady_timer commit_timer_;
    asio::steady_timer reading_timer_;
    asio::signal_set signals_;
    std::list<Descriptor> watched_;
    steady_clock::time_point sampled_at_ = steady_clock::now();
    steady_clock::duration sample_took_{};
    bool commit_scheduled_ = false;
};

// The server in a thread of its own; a fault in it stops the daemon.
class ServerThread {
  public:
    ServerThread(server::Server &server, CaptureLoop &loop)
        : server_(server), thread_([this, &loop] {
              try {
                  server_.run();
              } catch (...) {
                  fault_ = std::current_exception();
                  loop.stop();
              }
          }) {}
    ~ServerThread() { join(); }

    void stop() {
        join();
        if (fault_)
            std::rethrow_exception(fault_);
    }

  private:
    void join() {
        if (!thread_.joinable())
            return;
        server_.stop();
        thread_.join();
    }

    server::Server &server_;
    std::exception_ptr fault_;
    std::thread thread_;
};

void log_start(const Settings &settings, const capture::Opened &opened) {
    for (const auto &reason : opened.reasons)
        spdlog::info("{}", reason);
    if (opened.not_kept)
        spdlog::warn("what an earlier instance left is not gone on with: {}; a gap is on record",
                     *opened.not_kept);
    spdlog::info("capturing with {} every {} ms, ports {}, history in {}",
                 to_string(opened.source->tier()),
                 std::chrono::duration_cast<std::chrono::milliseconds>(settings.interval).count(),
                 settings.ports.to_string(), settings.state_dir.string());
}

// What the source needs to outlive this process is with the service manager before anything that
// is seen is stored. A process that dies in between leaves a part, which nobody can go on with.
void keep_descriptors(const capture::Source &source) {
    std::map<std::string, std::vector<int>> by_name;
    for (const auto &[name, fd] : source.descriptors_to_keep())
        by_name[name].push_back(fd);
    for (const auto &[name, descriptors] : by_name)
        system::store_descriptors(name, descriptors);
}

capture::Opened open_capture(const Settings &settings, const model::Clock &clock,
                             const store::Writer &writer, const LiveStatus &live) {
    capture::Kept kept{system::received_descriptors(), writer.ring_mark()};
    std::set<std::string> names;
    for (const auto &descriptor : kept.descriptors)
        names.insert(descriptor.name);
    auto opened =
        capture::open_best({.tier = settings.capture,
                            .arguments = settings.arguments,
                            .records = [&live](std::uint16_t port) { return live.records(port); },
                            .ports = settings.ports,
                            .ring_bytes = settings.ring_bytes,
                            .kept = std::move(kept)},
                           clock);
    if (!names.empty() && !opened.not_kept)
        return opened;
    for (const auto &name : names)
        system::forget_descriptors(name);
    keep_descriptors(*opened.source);
    return opened;
}

// What it cannot bring into the files stays in their logs, for the next run.
void close(store::Writer &writer) {
    try {
        writer.close_cleanly();
    } catch (const store::StoreFault &fault) {
        spdlog::error("cannot close the store: {}", fault.what());
    }
}

// The order of the start, and why:
//  1. the store: its lock refuses a second instance before anything else is touched;
//  2. the source, taken over from the last run where that can be: from here on destroyed sockets
//     queue up, so that nothing between this and the first sample is missed;
//  3. the recorder takes over the open leases of the last run, and the first sample tells which of
//  them
//     still are, before anybody can ask;
//  4. the socket, so that whoever can connect gets answers;
//  5. the word to the service manager.
// The end goes backwards.
void serve(const Settings &settings) {
    const system::SystemClock clock;
    store::Writer writer(settings.state_dir, {system::boot_id(), clock.wall_offset_us()},
                         {.max_bytes = settings.max_bytes, .max_age = settings.max_age});

    LiveStatus live(settings);
    const capture::Opened opened = open_capture(settings, clock, writer, live);
    log_start(settings, opened);

    Recorder recorder(settings, clock, opened, writer, live);
    CaptureLoop loop(settings, *opened.source, recorder);
    recorder.sample();
    recorder.commit();

    store::Reader reader(
        settings.state_dir, [&live] { return live.present(); }, writer.suspects());
    server::Listener listener = server::listen(settings.socket);
    server::Server server(listener, reader, live);
    ServerThread thread(server, loop);
    spdlog::info("answering on {}", settings.socket.string());
    system::notify_ready("watching with " + std::string(to_string(opened.source->tier())));

    loop.run();

    system::notify_stopping();
    thread.stop();
    close(writer);
}

} // namespace

Exit run(int argc, const char *const *argv) {
    Settings settings;
    try {
        auto parsed = parse_command_line(argc, argv);
        if (const auto *print = std::get_if<PrintAndExit>(&parsed)) {
            std::fputs(print->text.c_str(), stdout);
            return Exit::clean;
        }
        settings = std::get<Settings>(parsed);
    } catch (const SettingsError &error) {
        std::fprintf(stderr, "portd: %s\n", error.what());
        return Exit::usage;
    }
    system::start_logging();
    try {
        serve(settings);
        return Exit::clean;
    } catch (const store::StateDirectoryInUse &error) {
        spdlog::critical("{}", error.what());
        return Exit::refused;
    } catch (const store::ForeignStore &error) {
        spdlog::critical("{}", error.what());
        return Exit::refused;
    } catch (const std::system_error &error) {
        spdlog::critical("{}", error.what());
        const bool denied = error.code() == std::errc::operation_not_permitted ||
                            error.code() == std::errc::permission_denied ||
                            error.code() == std::errc::address_in_use;
        return denied ? Exit::refused : Exit::failed;
    } catch (const std::exception &error) {
        spdlog::critical("{}", error.what());
        return Exit::failed;
    }
}

} // namespace portd
