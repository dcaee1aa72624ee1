// portd-ctl doctor: whether this machine lets portd do its work, and what to do where it does not.
#include "client/doctor.hpp"
#include "client/doctor_facts.hpp"
#include "client/option_reader.hpp"
#include "client/verb.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <sstream>

namespace portd::client {
namespace {

std::string mark(Verdict verdict, Color color) {
    switch (verdict) {
    case Verdict::good:
        return styled("good   ", Style::good, color);
    case Verdict::notice:
        return styled("notice ", Style::bold, color);
    case Verdict::bad:
        return styled("bad    ", Style::caution, color);
    case Verdict::unknown:
        return styled("unknown", Style::faint, color);
    }
    return "";
}

void print_text(const Finding &finding, Session &session) {
    constexpr std::size_t mark_width = 9;
    constexpr std::size_t subject_width = 17;
    std::string subject = finding.subject + ":";
    subject.resize(std::max(subject.size(), subject_width), ' ');
    session.hanging(mark(finding.verdict, session.look().color) + "  " + subject,
                    mark_width + subject.size(), escape_text(finding.text, session.charset()));
    std::istringstream commands(finding.remedy);
    for (std::string command; std::getline(commands, command);)
        session.output().line("             " + escape_text(command, session.charset()));
}

void print_json(const Finding &finding, Session &session) {
    nlohmann::json object{{"verdict", to_string(finding.verdict)},
                          {"subject", finding.subject},
                          {"text", finding.text}};
    if (!finding.remedy.empty())
        object["remedy"] = finding.remedy;
    session.json_line(object);
}

ExitStatus run(const Typed &typed, Session &session) {
    const auto findings = examine(gather_facts(session, typed.state_dir));
    for (const Finding &finding : findings)
        session.wants_json() ? print_json(finding, session) : print_text(finding, session);
    const bool is_well = std::ranges::none_of(
        findings, [](const Finding &finding) { return finding.verdict == Verdict::bad; });
    return is_well ? ExitStatus::found : ExitStatus::nothing;
}

constexpr std::array<VerbOption, 1> options{{
    {"--state-dir", "DIR",
     "where portd keeps its history (default: what it says, or /var/lib/portd)", &Typed::state_dir},
}};

constexpr const char *notes = R"(
Each line says how one thing is: good; notice, which works, but somebody may want
to know; bad; or unknown, which cannot be told from here. The commands below a line
mend it. Nothing is changed.
The exit status is 0 if nothing is bad, and 1 if something is.

Examples:
  portd-ctl doctor
  portd-ctl doctor --json
)";

} // namespace

const Verb doctor_verb{"doctor",
                       "Check that portd can do its work, and say what mends it",
                       PortArgument::none,
                       options,
                       notes,
                       run};

} // namespace portd::client
