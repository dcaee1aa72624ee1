#include "client/progress.hpp"

#include "client/format.hpp"
#include "client/session.hpp"

#include <string>

namespace portd::client {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr milliseconds patience{500};
constexpr milliseconds pause{100};
constexpr std::size_t longest_line = 78;
constexpr const char *erase_line = "\r\x1b[K"; // ECMA-48, EL

} // namespace

Progress::Progress(int fd, bool shown)
    : fd_(fd), shown_(shown), next_at_(steady_clock::now() + patience) {}

Progress::~Progress() {
    clear();
}

void Progress::show(std::string_view text) {
    const auto now = steady_clock::now();
    if (!shown_ || now < next_at_)
        return;
    next_at_ = now + pause;
    write_error(fd_, erase_line + cut_end(text, longest_line, Charset::ascii));
    visible_ = true;
}

void Progress::clear() {
    if (visible_)
        write_error(fd_, erase_line);
    visible_ = false;
}

void RowProgress::add_row() {
    ++rows_;
    if (is_seen_)
        line_.clear();
    else
        still_looking();
}

void RowProgress::still_looking() {
    if (rows_ == 0)
        line_.show("looking; nothing found so far");
    else if (!is_seen_)
        line_.show(counted(static_cast<std::int64_t>(rows_), "row") + " so far");
}

std::string describe_progress(const proto::AuditProgress &progress) {
    std::string text = "looked at " + counted(progress.examined, "lease");
    if (progress.reached_usec)
        text += ", up to " + format_instant(*progress.reached_usec, Digits::seconds);
    return text;
}

} // namespace portd::client
