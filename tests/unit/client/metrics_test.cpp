// What portd-ctl metrics prints, read by a strict parser of Prometheus' text format.
#include "client/metrics_text.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <regex>
#include <set>
#include <sstream>
#include <stdexcept>

namespace portd::client::test {
namespace {

using Labels = std::map<std::string, std::string>;

struct Family {
    std::string type;
    std::map<Labels, double> samples;
};

// Throws for whatever the format, or promtool's lint of it, does not allow: a sample without its
// HELP and TYPE before it, a family in two pieces, a sample twice, a counter that does not end in
// _total or falls below 0.
class Parser {
  public:
    static std::map<std::string, Family> parse(const std::string &text) {
        if (text.empty() || text.back() != '\n')
            throw std::runtime_error("the last line has no end");
        Parser parser;
        std::istringstream lines(text);
        for (std::string line; std::getline(lines, line);)
            parser.read(line);
        for (const auto &[name, family] : parser.families_)
            if (family.type == "counter" && !name.ends_with("_total"))
                throw std::runtime_error(name + " is a counter");
        return parser.families_;
    }

  private:
    void read(const std::string &line) {
        static const std::regex help("# HELP ([a-zA-Z_:][a-zA-Z0-9_:]*) ([^\\\\\n]+)");
        static const std::regex type("# TYPE ([a-zA-Z_:][a-zA-Z0-9_:]*) (counter|gauge)");
        std::smatch found;
        if (std::regex_match(line, found, help)) {
            if (families_.contains(found[1]))
                throw std::runtime_error("a second family " + found[1].str());
            helped_ = found[1];
        } else if (std::regex_match(line, found, type)) {
            if (found[1] != helped_ || families_.contains(found[1]))
                throw std::runtime_error("TYPE without HELP: " + line);
            current_ = found[1];
            families_[current_].type = found[2];
        } else {
            read_sample(line);
        }
    }

    void read_sample(const std::string &line) {
        static const std::regex sample(
            "([a-zA-Z_:][a-zA-Z0-9_:]*)(\\{(.*)\\})? (-?[0-9]+(\\.[0-9]+)?)");
        std::smatch found;
        if (!std::regex_match(line, found, sample))
            throw std::runtime_error("not a sample: " + line);
        if (found[1] != current_)
            throw std::runtime_error("not of the family before it: " + line);
        Family &family = families_[current_];
        const double value = std::stod(found[4]);
        if (family.type == "counter" && value < 0)
            throw std::runtime_error("a negative counter: " + line);
        if (!family.samples.emplace(read_labels(found[3]), value).second)
            throw std::runtime_error("twice: " + line);
    }

    static Labels read_labels(std::string text) {
        static const std::regex label(
            "^([a-zA-Z_][a-zA-Z0-9_]*)=\"((?:[^\"\\\\]|\\\\[\\\\\"n])*)\"(,|$)");
        Labels labels;
        while (!text.empty()) {
            std::smatch found;
            if (!std::regex_search(text, found, label))
                throw std::runtime_error("not a label: " + text);
            if (!labels.emplace(found[1], found[2]).second)
                throw std::runtime_error("a label twice: " + text);
            text = found.suffix().str();
        }
        return labels;
    }

    std::map<std::string, Family> families_;
    std::string helped_;
    std::string current_;
};

double value_of(const std::map<std::string, Family> &families, const std::string &name,
                const Labels &labels = {}) {
    return families.at(name).samples.at(labels);
}

TEST(Metrics, AreInTheFormat) {
    proto::Status status;
    status.version = "0.1.0 \"x\\\n";
    status.tier = CaptureTier::ebpf;
    status.started_usec = 1'795'317'125'000'001;
    status.watching_since_usec = 1'795'317'126'000'000;
    status.samples = 77;
    status.unseen_sockets = 4;
    status.events_issued = 9;
    status.self_check = proto::SelfCheck{1'795'317'126'000'000, true, "seen"};
    status.open_leases = 12;
    status.leases_opened = 100;
    status.leases_ended = 88;
    status.bind_failures = 3;
    status.pools = {{4026531840, Protocol::tcp, 30, 28232, 20, 32768, 60999},
                    {4026532100, Protocol::udp, 2, {}, {}, {}, {}}};
    status.losses = {{"overflow", 3}, {"ringFull", 5}};
    status.stored_bytes = 4096;
    status.cpu_usec = 1'250'000;
    status.resident_bytes = 16 << 20;

    const auto families = Parser::parse(metrics_of(status));
    EXPECT_EQ(value_of(families, "portd_info", {{"version", R"(0.1.0 \"x\\\n)"}, {"tier", "ebpf"}}),
              1);
    EXPECT_EQ(value_of(families, "portd_watching"), 1);
    EXPECT_EQ(value_of(families, "portd_open_leases"), 12);
    EXPECT_EQ(value_of(families, "portd_leases_opened_total"), 100);
    EXPECT_EQ(value_of(families, "portd_leases_ended_total"), 88);
    EXPECT_EQ(value_of(families, "portd_bind_failures_total"), 3);
    const Labels own{{"protocol", "tcp"}, {"network_namespace", "4026531840"}};
    const Labels other{{"protocol", "udp"}, {"network_namespace", "4026532100"}};
    EXPECT_EQ(value_of(families, "portd_open_ports", own), 30);
    EXPECT_EQ(value_of(families, "portd_open_ports", other), 2);
    EXPECT_EQ(value_of(families, "portd_pool_open_ports", own), 20);
    EXPECT_EQ(value_of(families, "portd_pool_ports", own), 28232);
    EXPECT_FALSE(families.at("portd_pool_ports").samples.contains(other));
    EXPECT_EQ(value_of(families, "portd_lost_events_total", {{"cause", "ringFull"}}), 5);
    EXPECT_EQ(value_of(families, "portd_self_check_passed"), 1);
    EXPECT_EQ(value_of(families, "portd_store_bytes"), 4096);
    EXPECT_EQ(value_of(families, "portd_cpu_seconds_total"), 1.25);
    EXPECT_EQ(value_of(families, "portd_resident_memory_bytes"), 16 << 20);
}

// What is not known has no sample, rather than a zero.
TEST(Metrics, SayNothingOfWhatIsNotKnown) {
    const auto families = Parser::parse(metrics_of({}));
    EXPECT_EQ(value_of(families, "portd_watching"), 0);
    for (const char *absent : {"portd_watching_since_seconds", "portd_events_issued_total",
                               "portd_self_check_passed", "portd_last_snapshot_seconds"})
        EXPECT_FALSE(families.contains(absent)) << absent;
}

TEST(Metrics, AreReadStrictly) {
    for (const char *wrong :
         {"", "a 1", "a 1\n", "# HELP a b\na 1\n", "# HELP a b\n# TYPE a gauge\nb 1\n",
          "# HELP a b\n# TYPE a gauge\na 1\na 1\n", "# HELP a b\n# TYPE a counter\na 1\n",
          "# HELP a_total b\n# TYPE a_total counter\na_total -1\n",
          "# HELP a b\n# TYPE a gauge\na{x=\"\n\"} 1\n",
          "# HELP a b\n# TYPE a gauge\na{x=\"\"\"} 1\n", "# HELP a b\n# TYPE a gauge\na one\n"})
        EXPECT_ANY_THROW(Parser::parse(wrong)) << wrong;
}

} // namespace
} // namespace portd::client::test
