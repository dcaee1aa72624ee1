// What the tests of the store share: a directory that goes away, and leases to put into a store.
#pragma once

#include "store/reader.hpp"
#include "store/writer.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>
#include <vector>

#include <unistd.h>

namespace portd::store::test {

class TemporaryDirectory {
  public:
    TemporaryDirectory() {
        std::string name = (std::filesystem::temp_directory_path() / "portd-store-XXXXXX").string();
        if (!mkdtemp(name.data()))
            throw std::runtime_error("mkdtemp failed");
        path_ = name;
    }
    ~TemporaryDirectory() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    TemporaryDirectory(const TemporaryDirectory &) = delete;
    TemporaryDirectory &operator=(const TemporaryDirectory &) = delete;

    const std::filesystem::path &path() const { return path_; }
    std::filesystem::path operator/(const std::string &name) const { return path_ / name; }

  private:
    std::filesystem::path path_;
};

inline const BootInfo first_boot{"0B5E1C7A-3f6d-4a52-9c1e-5d2f8a7b6c01", 1'700'000'000'000'000};
inline const BootInfo second_boot{"7d1f0a33-90cc-4b6e-8a44-1c2b3d4e5f60", 1'700'100'000'000'000};

inline model::Instant at_us(std::int64_t us) {
    return model::instant_from_us(us);
}

inline model::ProcessRef make_process(std::int32_t pid, std::string command = "curl") {
    auto process = std::make_shared<model::Process>();
    process->key = {pid, at_us(1'000'000 + pid)};
    process->command = std::move(command);
    process->executable = "/usr/bin/" + process->command;
    process->uid = 0;
    return process;
}

// An open TCP lease with nothing but what every lease has.
inline model::Lease make_lease(std::int64_t serial, std::uint16_t port, std::int64_t opened_us) {
    model::Lease lease;
    lease.serial = serial;
    lease.id = {{static_cast<std::uint64_t>(serial), 4'026'531'840, model::SocketKey::Kind::cookie},
                at_us(opened_us)};
    lease.local = {{Family::ipv4, {127, 0, 0, 1}}, port};
    lease.opened = model::When::observed(at_us(opened_us));
    return lease;
}

inline void add_holder(model::Lease &lease, const model::ProcessRef &process) {
    lease.holders.push_back({process, lease.id.first_observed, lease.id.first_observed, true});
    lease.opener = {0, Provenance::observed};
    lease.last_holder = {static_cast<std::uint32_t>(lease.holders.size() - 1), Provenance::sampled};
}

inline model::Lease freed(model::Lease lease, std::int64_t freed_us) {
    lease.phase = Phase::freed;
    lease.closed = model::When::observed(at_us(freed_us));
    lease.freed = model::When::observed(at_us(freed_us));
    return lease;
}

inline void commit(Writer &writer, const std::vector<model::Lease> &leases) {
    writer.commit({leases, {}, {}});
}

inline void watch(Writer &writer, std::int64_t since_us, std::int64_t until_us,
                  CaptureTier source = CaptureTier::sock_diag) {
    writer.commit({{}, Watched{source, at_us(since_us), at_us(until_us)}, {}});
}

inline std::vector<proto::Lease> all_pages(model::History &history, const model::LeaseQuery &query,
                                           std::size_t limit = 1000) {
    std::vector<proto::Lease> all;
    std::optional<model::LeaseCursor> after;
    do {
        model::LeasePage page = history.page(query, after, limit);
        EXPECT_LE(page.leases.size(), limit);
        all.insert(all.end(), page.leases.begin(), page.leases.end());
        after = page.next;
    } while (after);
    return all;
}

inline std::vector<std::string> cookies(const std::vector<proto::Lease> &leases) {
    std::vector<std::string> found;
    for (const proto::Lease &lease : leases)
        found.push_back(lease.cookie.value_or("-"));
    return found;
}

} // namespace portd::store::test
