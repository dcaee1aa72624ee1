// Every filter, alone and with others, against a plain scan over all that the store gives: with a
// predicate of its own, over the objects of the wire.
#include "store/bind_failure_rows.hpp"
#include "unit/store/store_fixture.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <bitset>
#include <filesystem>
#include <functional>
#include <iterator>
#include <random>

#include <arpa/inet.h>

namespace portd::store::test {
namespace {

constexpr std::int64_t base = 1'700'000'000'000'000;
constexpr std::int64_t now = base + 5'000;
constexpr std::uint32_t blue = 4'026'531'900;
constexpr std::uint32_t other_namespace = blue + 1;

const std::string long_id = "deadbeef0123456789abcdef";

// ---- The plain scan

// The bits of an address, as digits; of a v4-mapped one those of the IPv4 address.
std::string bits_of(const std::string &text) {
    std::array<unsigned char, 16> bytes{};
    const bool is_ipv4 = inet_pton(AF_INET, text.c_str(), bytes.data()) == 1;
    if (!is_ipv4)
        inet_pton(AF_INET6, text.c_str(), bytes.data());
    std::string bits;
    for (int i = 0; i < (is_ipv4 ? 4 : 16); ++i)
        bits += std::bitset<8>(bytes[static_cast<std::size_t>(i)]).to_string();
    const std::string mapped = std::string(80, '0') + std::string(16, '1');
    return bits.starts_with(mapped) ? bits.substr(96) : bits;
}

struct Range {
    std::string address;
    std::size_t bits;

    std::string text() const { return address + "/" + std::to_string(bits); }
    bool contains(const std::string &other) const {
        const std::string mine = bits_of(address);
        const std::string its = bits_of(other);
        return mine.size() == its.size() && its.starts_with(mine.substr(0, bits));
    }
};

// What is asked, with the ranges as they were typed.
struct Question {
    model::LeaseQuery query;
    std::optional<Range> peer;
    std::optional<Range> local;
    std::string names; // of its filters
};

bool is_program(const std::optional<std::string> &path, const std::string &asked) {
    if (!path)
        return false;
    const bool is_path = asked.find('/') != std::string::npos;
    return is_path ? *path == asked : std::filesystem::path(*path).filename() == asked;
}

bool is_container(const std::optional<std::string> &id, const std::string &asked) {
    if (!id)
        return false;
    const bool is_beginning = asked.size() >= 4 && std::ranges::all_of(asked, [](char c) {
                                  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
                              });
    return *id == asked || (is_beginning && id->starts_with(asked));
}

bool asks_for_process(const model::LeaseQuery &query) {
    return query.pid || query.executable || query.command || query.unit || query.container;
}

bool admits(const model::LeaseQuery &query, const proto::Process &process) {
    return (!query.pid || process.pid == query.pid) &&
           (!query.executable || is_program(process.executable, *query.executable)) &&
           (!query.command || process.command == query.command) &&
           (!query.unit || process.unit == query.unit) &&
           (!query.container || is_container(process.container, *query.container));
}

std::optional<std::int64_t> earliest(const proto::Moment &moment) {
    return moment.usec ? moment.usec : moment.earliest_usec;
}
std::optional<std::int64_t> latest(const proto::Moment &moment) {
    return moment.usec ? moment.usec : moment.latest_usec;
}

// From when on it can be told who had it.
std::int64_t held_from(const proto::Lease &lease) {
    const std::int64_t opened_by = *latest(lease.opened);
    if (const auto at = earliest(lease.opened))
        return std::min(*at, opened_by);
    std::int64_t from = lease.holders.empty() ? base : opened_by;
    for (const proto::Process &process : lease.holders)
        from = std::min(from, *process.start_usec);
    return from;
}

bool lived_in_interval(const model::LeaseQuery &query, const proto::Lease &lease) {
    if (query.until_us && held_from(lease) > *query.until_us)
        return false;
    return !query.since_us || !lease.freed ||
           latest(*lease.freed).value_or(INT64_MAX) >= *query.since_us;
}

bool has_length(const model::LeaseQuery &query, const proto::Lease &lease) {
    const std::int64_t opened_by = *latest(lease.opened);
    const std::int64_t opened_from = earliest(lease.opened).value_or(held_from(lease));
    const auto &end = lease.closed ? lease.closed : lease.freed;
    const proto::Moment still{now, {}, {}, Provenance::observed};
    const auto ended_from = earliest(end.value_or(still));
    const auto ended_by = latest(end.value_or(still));
    if (query.shorter_than_us &&
        ended_from.value_or(opened_by) - opened_by >= *query.shorter_than_us)
        return false;
    return !query.longer_than_us || !ended_by || *ended_by - opened_from > *query.longer_than_us;
}

bool admits(const Question &question, const proto::Lease &lease) {
    const model::LeaseQuery &query = question.query;
    const auto is_asked_for = [&](const proto::Process &holder) { return admits(query, holder); };
    return (!query.port || lease.local_port == *query.port) &&
           (!query.protocol || lease.protocol == query.protocol) &&
           (!asks_for_process(query) || std::ranges::any_of(lease.holders, is_asked_for)) &&
           (!query.uid || lease.uid == std::int64_t{*query.uid}) &&
           (!query.role || lease.role == query.role) &&
           (!query.outcome || lease.outcome == query.outcome) &&
           (!query.network_namespace || lease.network_namespace == *query.network_namespace) &&
           (!query.network_namespace_name ||
            lease.network_namespace_name == query.network_namespace_name) &&
           (!question.peer ||
            (lease.peer_address && question.peer->contains(*lease.peer_address))) &&
           (!query.peer_port || lease.peer_port == std::int64_t{*query.peer_port}) &&
           (!question.local || question.local->contains(lease.local_address)) &&
           has_length(query, lease) && lived_in_interval(query, lease) &&
           (!query.visible_to_uid || !lease.freed ||
            lease.uid == std::int64_t{*query.visible_to_uid}) &&
           (!query.open_only || !lease.freed);
}

bool admits(const Question &question, const proto::BindFailure &failure) {
    const model::LeaseQuery &query = question.query;
    const bool asks_for_more = query.role || query.outcome || query.peer || query.peer_port ||
                               query.shorter_than_us || query.longer_than_us || query.open_only;
    return !asks_for_more && (!query.port || failure.local_port == *query.port) &&
           (!query.protocol || failure.protocol == query.protocol) &&
           (!asks_for_process(query) || admits(query, failure.process)) &&
           (!query.uid || failure.uid == std::int64_t{*query.uid}) &&
           (!query.network_namespace || failure.network_namespace == *query.network_namespace) &&
           (!query.network_namespace_name ||
            failure.network_namespace_name == query.network_namespace_name) &&
           (!question.local || question.local->contains(failure.local_address)) &&
           (!query.since_us || failure.at_usec >= *query.since_us) &&
           (!query.until_us || failure.at_usec <= *query.until_us) &&
           (!query.visible_to_uid || failure.uid == std::int64_t{*query.visible_to_uid});
}

// ---- What is stored

class Random {
  public:
    explicit Random(std::uint32_t seed) : engine_(seed) {}

    int below(int low, int high) { return std::uniform_int_distribution(low, high - 1)(engine_); }
    template <typename T>
    T one_of(const std::vector<T> &values) {
        return values[static_cast<std::size_t>(below(0, static_cast<int>(values.size())))];
    }
    template <typename T>
    T one_of(std::initializer_list<T> values) {
        return one_of(std::vector<T>(values));
    }

  private:
    std::mt19937 engine_;
};

model::Address address(const std::string &text) {
    return model::parse_address_range(text)->first;
}

model::Address some_address(Random &random) {
    if (random.below(0, 4) == 0)
        return model::v4_mapped(address("192.0.2.1"));
    return address(random.one_of<std::string>(
        {"192.0.2.1", "192.0.2.129", "192.0.3.1", "2001:db8::1", "2001:db8:1::1", "::"}));
}

std::vector<model::ProcessRef> some_processes(Random &random) {
    std::vector<model::ProcessRef> processes;
    for (int i = 0; i < 8; ++i) {
        auto process = std::make_shared<model::Process>(*make_process(random.below(1, 5)));
        process->key.started_at = at_us(random.below(1, 100));
        process->command = random.one_of<std::string>({"curl", "nginx", "sh"});
        process->executable.reset();
        if (random.below(0, 4) > 0)
            process->executable = random.one_of<std::string>(
                {"/usr/bin/curl", "/opt/curl", "/usr/bin/mycurl", "/usr/bin/curl/x", "curl"});
        if (random.below(0, 3) > 0)
            process->unit = random.one_of<std::string>({"a.service", "b.service"});
        if (random.below(0, 2) > 0)
            process->container = random.one_of<std::string>({long_id, "deadbeff", "web", "dea"});
        processes.push_back(std::move(process));
    }
    return processes;
}

model::When some_end(Random &random, std::int64_t opened) {
    const std::int64_t at = opened + random.below(0, 40);
    switch (random.below(0, 6)) {
    case 0:
        return model::When::sampled(at_us(at), at_us(at + 5));
    case 1:
        return model::When::inferred({}, at_us(at));
    case 2:
        return model::When::sampled(at_us(at), {});
    case 3:
        return {};
    default:
        return model::When::observed(at_us(at));
    }
}

model::Lease some_lease(Random &random, std::int64_t serial,
                        const std::vector<model::ProcessRef> &processes) {
    const int opened = random.below(0, 100);
    model::Lease lease = make_lease(serial, random.one_of<std::uint16_t>({40000, 40001}), opened);
    lease.protocol = random.one_of({Protocol::tcp, Protocol::udp});
    lease.id.socket.network_namespace = random.one_of({blue, other_namespace});
    lease.local.address = some_address(random);
    if (random.below(0, 3) > 0)
        lease.peer = {some_address(random), random.one_of<std::uint16_t>({443, 80, 0})};
    if (random.below(0, 4) > 0)
        lease.role = random.one_of({Role::client, Role::listener, Role::datagram});
    const int kind = random.below(0, 4);
    if (kind == 0)
        lease.opened = model::When::sampled({}, at_us(opened));
    else if (kind == 1)
        lease.opened = model::When::sampled(at_us(opened / 2), at_us(opened));
    if (random.below(0, 4) > 0)
        lease.uid = random.one_of<std::uint32_t>({0, 1000});
    for (int i = random.below(0, 3); i > 0; --i)
        add_holder(lease, random.one_of(processes));
    const int end = random.below(0, 5);
    if (end > 0)
        lease.closed = some_end(random, opened);
    if (end > 1) {
        lease.freed = some_end(random, opened);
        lease.phase = Phase::freed;
        lease.outcome = random.one_of({Outcome::closed, Outcome::refused});
    }
    if (end == 4)
        lease.closed.reset();
    return lease;
}

model::BindFailure some_failure(Random &random, std::uint64_t cookie,
                                const std::vector<model::ProcessRef> &processes) {
    model::BindFailure failure;
    failure.socket = {cookie, random.one_of({blue, other_namespace}),
                      model::SocketKey::Kind::cookie};
    failure.protocol = random.one_of({Protocol::tcp, Protocol::udp});
    failure.local = {some_address(random), random.one_of<std::uint16_t>({40000, 40001})};
    failure.at = at_us(random.below(0, 100));
    if (random.below(0, 4) > 0)
        failure.uid = random.one_of<std::uint32_t>({0, 1000});
    if (random.below(0, 4) > 0)
        failure.process = random.one_of(processes);
    return failure;
}

// Over several parts; some leases end in another one than they began in.
void fill(Random &random, Writer &writer, std::int64_t leases) {
    const std::vector<model::ProcessRef> processes = some_processes(random);
    const NamespaceName names[] = {{blue, "blue", at_us(0)}, {blue, "green", at_us(50)}};
    writer.commit(
        {.leases = {}, .watched = {}, .gaps = {}, .bind_failures = {}, .namespaces = names});
    std::vector<model::Lease> later;
    for (std::int64_t serial = 1; serial <= leases; ++serial) {
        model::Lease lease = some_lease(random, serial, processes);
        if (!lease.is_open() && random.below(0, 4) == 0) {
            later.push_back(lease);
            lease.freed.reset();
        }
        const model::BindFailure failure =
            some_failure(random, static_cast<std::uint64_t>(1000 + serial), processes);
        writer.commit({.leases = {&lease, 1},
                       .watched = {},
                       .gaps = {},
                       .bind_failures = {&failure, serial % 3 == 0 ? 1u : 0u}});
        if (serial % (leases / 3) == 0)
            writer.begin_part();
        if (serial == leases / 2)
            writer.settle();
    }
    commit(writer, later);
}

// ---- What is asked

Range some_range(Random &random) {
    return random.one_of<Range>({{"192.0.2.1", 32},
                                 {"192.0.2.0", 24},
                                 {"192.0.2.1", 25},
                                 {"::ffff:192.0.2.1", 128},
                                 {"0.0.0.0", 0},
                                 {"2001:db8::1", 128},
                                 {"2001:db8::", 32},
                                 {"::", 0}});
}

model::AddressRange parsed(const Range &range) {
    return *model::parse_address_range(range.text());
}

struct Filter {
    const char *name;
    std::function<void(Question &, Random &)> set;
};

const std::vector<Filter> filters{
    {"port",
     [](Question &q, Random &random) {
         q.query.port = random.one_of<std::uint16_t>({40000, 40001, 40002});
     }},
    {"protocol",
     [](Question &q, Random &random) {
         q.query.protocol = random.one_of({Protocol::tcp, Protocol::udp});
     }},
    {"pid", [](Question &q, Random &random) { q.query.pid = random.below(1, 6); }},
    {"executable",
     [](Question &q, Random &random) {
         q.query.executable = random.one_of<std::string>(
             {"/usr/bin/curl", "curl", "x", "bin", "rl", "/curl", "/usr/bin/cur", "%"});
     }},
    {"command",
     [](Question &q, Random &random) {
         q.query.command = random.one_of<std::string>({"curl", "cur", "sh"});
     }},
    {"unit",
     [](Question &q, Random &random) {
         q.query.unit = random.one_of<std::string>({"a.service", "a", "c"});
     }},
    {"container",
     [](Question &q, Random &random) {
         q.query.container = random.one_of<std::string>(
             {long_id, "dead", "deadbee", "dea", "deadbeef", "web", "we", "beef", "ffff"});
     }},
    {"uid",
     [](Question &q, Random &random) {
         q.query.uid = random.one_of<std::uint32_t>({0, 1000, 2000});
     }},
    {"role",
     [](Question &q, Random &random) {
         q.query.role = random.one_of({Role::client, Role::listener});
     }},
    {"outcome",
     [](Question &q, Random &random) {
         q.query.outcome = random.one_of({Outcome::closed, Outcome::reset});
     }},
    {"network_namespace", [](Question &q, Random &) { q.query.network_namespace = blue; }},
    {"network_namespace_name",
     [](Question &q, Random &random) {
         q.query.network_namespace_name = random.one_of<std::string>({"blue", "green", "red"});
     }},
    {"peer",
     [](Question &q, Random &random) {
         q.peer = some_range(random);
         q.query.peer = parsed(*q.peer);
     }},
    {"peer_port",
     [](Question &q, Random &random) {
         q.query.peer_port = random.one_of<std::uint16_t>({443, 80, 1});
     }},
    {"local",
     [](Question &q, Random &random) {
         q.local = some_range(random);
         q.query.local = parsed(*q.local);
     }},
    {"shorter_than",
     [](Question &q, Random &random) { q.query.shorter_than_us = random.below(1, 60); }},
    {"longer_than",
     [](Question &q, Random &random) { q.query.longer_than_us = random.below(0, 60); }},
    {"since", [](Question &q, Random &random) { q.query.since_us = base + random.below(-5, 120); }},
    {"until", [](Question &q, Random &random) { q.query.until_us = base + random.below(-5, 120); }},
    {"visible_to_uid",
     [](Question &q, Random &random) {
         q.query.visible_to_uid = random.one_of<std::uint32_t>({0, 1000, 2000});
     }},
    {"open_only", [](Question &q, Random &) { q.query.open_only = true; }},
};

Question with(Random &random, const std::vector<Filter> &chosen) {
    Question question;
    question.query.now_us = now;
    question.query.newest_first = random.below(0, 2) == 1;
    for (const Filter &filter : chosen) {
        filter.set(question, random);
        question.names += std::string(question.names.empty() ? "" : ", ") + filter.name;
    }
    model::LeaseQuery &query = question.query;
    if (query.since_us && query.until_us && *query.since_us > *query.until_us)
        std::swap(query.since_us, query.until_us);
    return question;
}

Question some_question(Random &random) {
    std::vector<Filter> chosen;
    for (const Filter &filter : filters)
        if (random.below(0, 6) == 0)
            chosen.push_back(filter);
    return with(random, chosen);
}

// ---- The comparison

struct Everything {
    std::vector<proto::Lease> leases;
    std::vector<proto::BindFailure> failures;
    std::vector<model::LeaseCursor> places;
    std::vector<model::BindFailureCursor> failure_places;
};

Everything ask(Reader &reader, const model::LeaseQuery &query, std::size_t limit,
               std::optional<model::LeaseCursor> after = {},
               std::optional<model::BindFailureCursor> after_failure = {}) {
    Everything all;
    do {
        const model::LeasePage page = reader.page(query, after, limit);
        EXPECT_EQ(page.leases.size(), page.places.size());
        std::ranges::copy(page.leases, std::back_inserter(all.leases));
        std::ranges::copy(page.places, std::back_inserter(all.places));
        after = page.next;
    } while (after);
    do {
        const model::BindFailurePage page = reader.bind_failures(query, after_failure, limit);
        EXPECT_EQ(page.failures.size(), page.places.size());
        std::ranges::copy(page.failures, std::back_inserter(all.failures));
        std::ranges::copy(page.places, std::back_inserter(all.failure_places));
        after_failure = page.next;
    } while (after_failure);
    return all;
}

template <typename Entry>
std::vector<Entry> scan(std::vector<Entry> all, const Question &question) {
    std::erase_if(all, [&](const Entry &entry) { return !admits(question, entry); });
    if (question.query.newest_first)
        std::ranges::reverse(all);
    return all;
}

std::vector<std::string> ids(const std::vector<proto::Lease> &leases) {
    std::vector<std::string> found;
    for (const proto::Lease &lease : leases)
        found.push_back(lease.id);
    return found;
}

void expect_the_scan(Random &random, Reader &reader, const Everything &all,
                     const Question &question) {
    SCOPED_TRACE(question.names);
    const auto limit = static_cast<std::size_t>(random.below(1, 20));
    const Everything found = ask(reader, question.query, limit);
    EXPECT_EQ(ids(found.leases), ids(scan(all.leases, question)));
    EXPECT_EQ(found.failures.size(), scan(all.failures, question).size());
    EXPECT_TRUE(found.failures == scan(all.failures, question));
}

template <typename T>
std::vector<T> from(const std::vector<T> &all, std::size_t begin) {
    return {all.begin() + static_cast<std::ptrdiff_t>(begin), all.end()};
}

void expect_resumption(Reader &reader, const Question &question) {
    SCOPED_TRACE(question.names);
    const Everything whole = ask(reader, question.query, 7);
    for (std::size_t i = 0; i < whole.places.size(); ++i)
        EXPECT_EQ(ids(ask(reader, question.query, 7, whole.places[i]).leases),
                  ids(from(whole.leases, i + 1)));
    for (std::size_t i = 0; i < whole.failure_places.size(); ++i)
        EXPECT_TRUE(ask(reader, question.query, 7, {}, whole.failure_places[i]).failures ==
                    from(whole.failures, i + 1));
}

// Few leases are taken from the index of their processes and sorted, more are found in passing.
void expect_filters(std::uint32_t seed, std::int64_t few_leases) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    constexpr std::int64_t leases = 90;
    Random random(seed);
    TemporaryDirectory directory;
    Writer writer(directory.path(), first_boot);
    fill(random, writer, leases);
    Reader reader(directory.path(), {}, {}, few_leases);
    const Everything all = ask(reader, {}, 1000);
    ASSERT_EQ(all.leases.size(), static_cast<std::size_t>(leases));
    ASSERT_EQ(all.failures.size(), static_cast<std::size_t>(leases / 3));
    for (const Filter &filter : filters)
        for (int i = 0; i < 4; ++i)
            expect_the_scan(random, reader, all, with(random, {filter}));
    for (int i = 0; i < 150; ++i)
        expect_the_scan(random, reader, all, some_question(random));
    for (int i = 0; i < 3; ++i)
        expect_resumption(reader, with(random, {random.one_of(filters)}));
}

TEST(Filters, GiveWhatAPlainScanGivesWhereLeasesOfProcessesAreSorted) {
    for (const std::uint32_t seed : {1u, 2u, 3u, std::random_device()()})
        expect_filters(seed, Reader::most_sorted);
}

TEST(Filters, GiveWhatAPlainScanGivesWhereLeasesOfProcessesAreFoundInPassing) {
    for (const std::uint32_t seed : {4u, 5u, std::random_device()()})
        expect_filters(seed, 0);
}

TEST(Filters, GiveWhatAPlainScanGivesWhereOnlyRareProcessesAreSorted) {
    for (const std::uint32_t seed : {6u, 7u, std::random_device()()})
        expect_filters(seed, 3);
}

} // namespace
} // namespace portd::store::test
