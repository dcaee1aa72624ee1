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
#include "system/message.hpp"
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
#include <functional>
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
    // The interval is asked for anew at each sample; `reload` is called on SIGHUP.
    CaptureLoop(const Settings &settings, capture::Source &source, Recorder &recorder,
                std::function<void()> reload)
        : settings_(settings),
          reading_period_(source.reading_period()),
          recorder_(recorder),
          reload_(std::move(reload)),
          sample_timer_(context_),
          commit_timer_(context_),
          reading_timer_(context_),
          watchdog_timer_(context_),
          signals_(context_, SIGTERM, SIGINT, SIGHUP),
          clock_watch_(context_, system::watch_clock().release()) {
        for (const int fd : source.descriptors())
            watched_.emplace_back(context_, fd);
    }
    ~CaptureLoop() {
        for (auto &descriptor : watched_)
            descriptor.release(); // the source owns it
    }

    // Until SIGTERM or SIGINT, or until stop(). Calls `committed` after each commit.
    void run(std::function<void()> committed) {
        committed_ = std::move(committed);
        heed_signals();
        for (auto &descriptor : watched_)
            watch(descriptor);
        watch_clock();
        schedule_sample();
        if (reading_period_ > reading_period_.zero())
            schedule_reading();
        if (const auto period = system::watchdog_period())
            schedule_ping(*period / 2);
        context_.run();
        recorder_.read_events(Promptness::after_work);
        recorder_.finish();
        committed_();
    }

    void stop() {
        asio::post(context_, [this] { context_.stop(); });
    }

  private:
    using Descriptor = asio::posix::stream_descriptor;

    void heed_signals() {
        signals_.async_wait([this](const boost::system::error_code &error, int signal) {
            if (error)
                return;
            if (signal != SIGHUP) {
                spdlog::info("stopping on {}", signal == SIGTERM ? "SIGTERM" : "SIGINT");
                return context_.stop();
            }
            reload_();
            schedule_sample();
            heed_signals();
        });
    }

    void watch(Descriptor &descriptor) {
        descriptor.async_wait(Descriptor::wait_read,
                              [this, &descriptor](const boost::system::error_code &error) {
                                  if (error)
                                      return;
                                  read_events();
                                  watch(descriptor);
                              });
    }

    // Each commit says what the clock shows: so what happens from now on has the new time.
    void watch_clock() {
        clock_watch_.async_wait(Descriptor::wait_read,
                                [this](const boost::system::error_code &error) {
                                    if (error)
                                        return;
                                    system::forget_setting(clock_watch_.native_handle());
                                    commit();
                                    watch_clock();
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
        const steady_clock::duration interval = settings_.interval;
        const auto period = std::max(interval - 2 * sample_took_, interval / 2);
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

    // A ping says that the way from the source to the store was gone through once more.
    void schedule_ping(steady_clock::duration period) {
        watchdog_timer_.expires_after(period);
        watchdog_timer_.async_wait([this, period](const boost::system::error_code &error) {
            if (error)
                return;
            recorder_.read_events(promptness());
            commit();
            system::notify_watchdog();
            schedule_ping(period);
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
        committed_();
        recorder_.read_events(Promptness::after_work);
        schedule_commit();
    }

    const Settings &settings_;
    const steady_clock::duration reading_period_;
    Recorder &recorder_;
    const std::function<void()> reload_;
    asio::io_context context_{1};
    asio::steady_timer sample_timer_;
    asio::steady_timer commit_timer_;
    asio::steady_timer reading_timer_;
    asio::steady_timer watchdog_timer_;
    asio::signal_set signals_;
    Descriptor clock_watch_;
    std::list<Descriptor> watched_;
    std::function<void()> committed_;
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
    std::string reasons;
    for (const auto &reason : opened.reasons)
        reasons += (reasons.empty() ? "" : "; ") + reason;
    if (opened.not_kept)
        spdlog::warn("what an earlier instance left is not gone on with: {}; a gap is on record",
                     *opened.not_kept);
    const std::string tier(to_string(opened.source->tier()));
    system::report(reasons.empty() ? system::Message::tier_chosen : system::Message::lesser_tier,
                   "capturing with " + tier + (reasons.empty() ? "" : "; " + reasons),
                   {{"PORTD_TIER", tier}, {"PORTD_REASONS", reasons}});
    spdlog::info("a sample every {} ms, ports {}, history in {}",
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
                             const store::Writer &writer, const LiveStatus &live,
                             std::vector<system::NamedDescriptor> received) {
    capture::Kept kept{std::move(received), writer.ring_mark()};
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

// Reads the settings again and applies what can change while portd runs. With a mistake in them
// everything stays as it is.
class Reload {
  public:
    Reload(std::function<Settings()> read, Settings &settings, store::Writer &writer,
           std::string status)
        : read_(std::move(read)),
          settings_(settings),
          writer_(writer),
          status_(std::move(status)) {}

    void operator()() const {
        system::notify_reloading();
        try {
            const auto left = apply_while_running(read_(), settings_);
            writer_.set_limits({.max_bytes = settings_.max_bytes, .max_age = settings_.max_age});
            std::string text = "the settings were read again and are in force";
            for (const auto &key : left)
                text += (&key == &left.front() ? ", but after a restart only: " : ", ") + key;
            system::report(system::Message::reloaded, text);
        } catch (const SettingsError &error) {
            system::report(system::Message::settings_refused,
                           std::string(error.what()) + "; going on with the settings as they were");
        }
        system::notify_ready(status_);
    }

  private:
    const std::function<Settings()> read_;
    Settings &settings_;
    store::Writer &writer_;
    const std::string status_;
};

// The socket that the service manager passed, or one of our own.
server::Listener open_listener(const Settings &settings, system::Fd passed) {
    return passed ? server::take_over(std::move(passed)) : server::listen(settings.socket);
}

// A part of the history is carried over in seconds, even where the disk is slow.
void tell_of_upgrade(const store::UpgradeProgress &progress) {
    const std::string status = "carrying history over to this version, file " +
                               std::to_string(progress.ordinal) + " of " +
                               std::to_string(progress.count);
    system::notify_still_starting(std::chrono::minutes(10), status);
    spdlog::info("{}: {}", status, progress.file.string());
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
void serve(Settings settings, const std::function<Settings()> &read_settings) {
    auto received = system::received_descriptors();
    auto passed = system::take_descriptor(received, "varlink"); // FileDescriptorName= of the socket
    const system::SystemClock clock;
    store::Writer writer(settings.state_dir, {system::boot_id(), clock.wall_offset_us()},
                         {.max_bytes = settings.max_bytes, .max_age = settings.max_age},
                         tell_of_upgrade);

    LiveStatus live(settings);
    const capture::Opened opened = open_capture(settings, clock, writer, live, std::move(received));
    log_start(settings, opened);

    Recorder recorder(settings, clock, opened, writer, live);
    const std::string tier(to_string(opened.source->tier()));
    const std::string status = "watching with " + tier;
    CaptureLoop loop(settings, *opened.source, recorder,
                     Reload(read_settings, settings, writer, status));
    recorder.sample();
    recorder.commit();

    store::Reader reader(
        settings.state_dir, [&live] { return live.present(); }, writer.suspects(),
        store::Reader::most_sorted, writer.recent_ends());
    const std::string where = passed ? "the socket that was passed" : settings.socket.string();
    server::Listener listener = open_listener(settings, std::move(passed));
    server::Server server(listener, reader, live);
    ServerThread thread(server, loop);
    system::report(system::Message::started, status + ", answering on " + where,
                   {{"PORTD_TIER", tier}});
    system::notify_ready(status);

    loop.run([&server] { server.tell_news(); });

    system::notify_stopping();
    thread.stop();
    close(writer);
}

Exit refuse(const std::exception &error) {
    system::report(system::Message::refused, error.what());
    return Exit::refused;
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
        // Not by the journal's own protocol: of a process that is gone when it looks, the journal
        // does not know the unit. The number is the level, sd-daemon(3).
        const char *const level = system::stderr_is_journal() ? "<3>" : "";
        std::fprintf(stderr, "%sportd: %s\n", level, error.what());
        return Exit::usage;
    }
    system::start_logging();
    try {
        serve(settings,
              [argc, argv] { return std::get<Settings>(parse_command_line(argc, argv)); });
        return Exit::clean;
    } catch (const store::StateDirectoryInUse &error) {
        return refuse(error);
    } catch (const store::NoStateDirectory &error) {
        return refuse(error);
    } catch (const store::ForeignStore &error) {
        return refuse(error);
    } catch (const std::system_error &error) {
        if (error.code() == std::errc::operation_not_permitted ||
            error.code() == std::errc::permission_denied ||
            error.code() == std::errc::address_in_use)
            return refuse(error);
        spdlog::critical("{}", error.what());
        return Exit::failed;
    } catch (const std::exception &error) {
        spdlog::critical("{}", error.what());
        return Exit::failed;
    }
}

} // namespace portd
