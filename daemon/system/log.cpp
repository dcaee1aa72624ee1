#include "system/log.hpp"

#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <cstdlib>
#include <memory>
#include <string>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

namespace portd::system {
namespace {

const char *priority_prefix(spdlog::level::level_enum level) {
    switch (level) {
    case spdlog::level::critical:
        return SD_CRIT;
    case spdlog::level::err:
        return SD_ERR;
    case spdlog::level::warn:
        return SD_WARNING;
    case spdlog::level::info:
        return SD_INFO;
    case spdlog::level::trace:
    case spdlog::level::debug:
    case spdlog::level::off:
    case spdlog::level::n_levels:
        break;
    }
    return SD_DEBUG;
}

class PriorityFlag : public spdlog::custom_flag_formatter {
  public:
    void format(const spdlog::details::log_msg &message, const std::tm &,
                spdlog::memory_buf_t &out) override {
        const std::string_view prefix = priority_prefix(message.level);
        out.append(prefix.data(), prefix.data() + prefix.size());
    }
    std::unique_ptr<custom_flag_formatter> clone() const override {
        return std::make_unique<PriorityFlag>();
    }
};

// JOURNAL_STREAM holds device and inode of the stream; a redirected standard error does not match.
bool stderr_is_journal() {
    const char *stream = std::getenv("JOURNAL_STREAM");
    struct stat status {};
    if (!stream || fstat(STDERR_FILENO, &status) != 0)
        return false;
    return stream == std::to_string(status.st_dev) + ":" + std::to_string(status.st_ino);
}

} // namespace

void start_logging() {
    auto logger = std::make_shared<spdlog::logger>(
        "portd", std::make_shared<spdlog::sinks::stderr_sink_mt>());
    if (stderr_is_journal()) {
        auto formatter = std::make_unique<spdlog::pattern_formatter>();
        formatter->add_flag<PriorityFlag>('*').set_pattern("%*%v");
        logger->set_formatter(std::move(formatter));
    } else {
        logger->set_pattern("%Y-%m-%d %H:%M:%S.%e %n %l: %v");
    }
    logger->flush_on(spdlog::level::trace);
    spdlog::set_default_logger(std::move(logger));
}

} // namespace portd::system
