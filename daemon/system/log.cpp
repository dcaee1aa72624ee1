#include "system/log.hpp"

#include "system/message.hpp"

#include <cstdlib>
#include <memory>
#include <mutex>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <string>
#include <string_view>
#include <sys/stat.h>
#include <sys/uio.h>
#include <syslog.h>
#include <unistd.h>
#include <vector>

#define SD_JOURNAL_SUPPRESS_LOCATION
#include <systemd/sd-journal.h>

namespace portd::system {
namespace {

int priority_of(spdlog::level::level_enum level) {
    switch (level) {
    case spdlog::level::critical:
        return LOG_CRIT;
    case spdlog::level::err:
        return LOG_ERR;
    case spdlog::level::warn:
        return LOG_WARNING;
    case spdlog::level::info:
        return LOG_INFO;
    case spdlog::level::trace:
    case spdlog::level::debug:
    case spdlog::level::off:
    case spdlog::level::n_levels:
        break;
    }
    return LOG_DEBUG;
}

void send_to_journal(spdlog::level::level_enum level, std::string_view text,
                     std::vector<std::string> fields) {
    fields.push_back("MESSAGE=" + std::string(text));
    fields.push_back("PRIORITY=" + std::to_string(priority_of(level)));
    fields.push_back("SYSLOG_IDENTIFIER=portd");
    std::vector<iovec> parts;
    parts.reserve(fields.size());
    for (auto &field : fields)
        parts.push_back({field.data(), field.size()});
    sd_journal_sendv(parts.data(), static_cast<int>(parts.size()));
}

class JournalSink : public spdlog::sinks::base_sink<std::mutex> {
    void sink_it_(const spdlog::details::log_msg &message) override {
        send_to_journal(message.level, {message.payload.data(), message.payload.size()}, {});
    }
    void flush_() override {}
};

bool logs_to_journal = false; // since start_logging()

} // namespace

// JOURNAL_STREAM holds device and inode of the stream; a redirected standard error does not match.
bool stderr_is_journal() {
    const char *stream = std::getenv("JOURNAL_STREAM");
    struct stat status {};
    if (!stream || fstat(STDERR_FILENO, &status) != 0)
        return false;
    return stream == std::to_string(status.st_dev) + ":" + std::to_string(status.st_ino);
}

void start_logging() {
    logs_to_journal = stderr_is_journal();
    spdlog::sink_ptr sink;
    if (logs_to_journal)
        sink = std::make_shared<JournalSink>();
    else
        sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
    auto logger = std::make_shared<spdlog::logger>("portd", std::move(sink));
    logger->set_pattern("%Y-%m-%d %H:%M:%S.%e %n %l: %v");
    logger->flush_on(spdlog::level::trace);
    spdlog::set_default_logger(std::move(logger));
}

void report(Message message, const std::string &text, const std::vector<MessageField> &fields) {
    const MessageKind kind = kind_of(message);
    if (!logs_to_journal) {
        spdlog::log(kind.level, "{}", text);
        return;
    }
    std::vector<std::string> lines{std::string("MESSAGE_ID=") + kind.id};
    for (const auto &[name, value] : fields)
        lines.push_back(std::string(name) + "=" + value);
    send_to_journal(kind.level, text, std::move(lines));
}

} // namespace portd::system
