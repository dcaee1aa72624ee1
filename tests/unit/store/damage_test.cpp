// Random bytes of stored files flipped, and files cut short: the store opens, answers, and what it
// answers is right or said to be incomplete.
#include "store/database.hpp"
#include "store/fault.hpp"
#include "store/part_files.hpp"
#include "unit/store/store_fixture.hpp"

#include <gmock/gmock.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <map>
#include <random>

namespace portd::store::test {
namespace {

constexpr std::int64_t second_us = 1'000'000;
constexpr std::int64_t leases_a_part = 60;
constexpr std::int64_t all_leases = 4 * leases_a_part;

// Three sealed parts, and one that was being written when its process was killed: half of it is in
// its log.
void fill(const std::filesystem::path &directory) {
    Writer writer(directory, first_boot);
    for (std::int64_t serial = 1; serial <= all_leases; ++serial) {
        std::vector<model::Lease> batch{make_lease(
            serial, static_cast<std::uint16_t>(40000 + serial % 13), serial * second_us)};
        add_holder(batch[0], make_process(static_cast<std::int32_t>(100 + serial % 11)));
        if (serial % 10 != 0)
            batch[0] = freed(batch[0], serial * second_us + 500);
        writer.commit({batch, Watched{CaptureTier::ebpf, at_us(0), at_us(serial * second_us)}, {}});
        if (serial % leases_a_part == 0 && serial < all_leases) {
            writer.begin_part();
            writer.settle();
        }
    }
}

struct Answer {
    std::map<std::string, proto::Lease> leases;
    bool is_complete = false;
};

Answer ask(const std::filesystem::path &directory, const std::shared_ptr<Suspects> &suspects) {
    Answer answer;
    Reader reader(directory, {}, suspects);
    for (const proto::Lease &lease : all_pages(reader, {}, 50))
        answer.leases.emplace(lease.cookie.value_or("-"), lease);
    for (std::uint16_t port = 40000; port < 40013; ++port) {
        model::LeaseQuery query;
        query.port = port;
        for (const proto::Lease &lease : all_pages(reader, query, 50))
            answer.leases.emplace(lease.cookie.value_or("-"), lease);
        reader.last_freed(query);
    }
    reader.newest_gaps(16);
    const std::int64_t base = first_boot.wall_offset_us;
    answer.is_complete = reader.coverage(base, base + all_leases * second_us).complete;
    return answer;
}

// What SQLite itself says of the file.
bool is_sound(const std::filesystem::path &file) {
    try {
        Database database(file, Database::Access::read);
        database.on_close(Database::OnClose::leave);
        // Of one that is written, less is looked at: its indexes are made anew when it is packed.
        const bool is_current = file.filename().native().starts_with("current-");
        return database.text(is_current ? "PRAGMA quick_check" : "PRAGMA integrity_check") == "ok";
    } catch (const std::runtime_error &) {
        return false;
    }
}

class Harm {
  public:
    explicit Harm(std::uint32_t seed) : random_(seed) {}

    // A file of the store, and what was done to it.
    std::pair<std::filesystem::path, std::string> inflict(const std::filesystem::path &directory) {
        std::vector<std::filesystem::path> files;
        for (const auto &entry : std::filesystem::directory_iterator(directory))
            if (entry.path().filename() != "lock" && entry.path().extension() != ".db-shm")
                files.push_back(entry.path());
        std::ranges::sort(files);
        const auto file = files[below(files.size())];
        const auto size = std::filesystem::file_size(file);
        if (below(5) == 0) {
            std::filesystem::resize_file(file, below(size));
            return {file, "cut short"};
        }
        const std::size_t flips = below(2) == 0 ? 1 : 1 + below(64);
        const std::uint64_t near = below(size);
        std::fstream stream(file, std::ios::binary | std::ios::in | std::ios::out);
        for (std::size_t i = 0; i < flips; ++i) {
            const auto at =
                static_cast<std::streamoff>(below(2) == 0 ? below(size) : (near + i) % size);
            stream.seekg(at);
            const int byte = stream.get();
            stream.seekp(at);
            stream.put(static_cast<char>(byte ^ (1 << below(8))));
        }
        return {file, std::to_string(flips) + " flips"};
    }

  private:
    std::uint64_t below(std::uint64_t bound) {
        return std::uniform_int_distribution<std::uint64_t>(0, bound - 1)(random_);
    }
    std::mt19937 random_;
};

struct Tally {
    int rounds = 0;
    int refused = 0;    // at the start, by a word of what is wrong
    int incomplete = 0; // and said so
    int complete = 0;
    int wrong_unseen = 0; // rows that differ, in the file that is written, which SQLite calls sound
};

void round(const TemporaryDirectory &model, const Answer &truth, std::uint32_t seed, Tally &tally) {
    const TemporaryDirectory directory;
    std::filesystem::copy(model.path(), directory.path(), std::filesystem::copy_options::recursive);
    const auto [file, what] = Harm(seed).inflict(directory.path());
    SCOPED_TRACE("seed " + std::to_string(seed) + ": " + file.filename().string() + ", " + what);
    auto database = file;
    if (file.native().ends_with("-wal"))
        database = file.native().substr(0, file.native().size() - 4);
    const bool sound = is_sound(database);
    ++tally.rounds;
    std::unique_ptr<Writer> writer;
    try {
        // The machine went down.
        writer = std::make_unique<Writer>(directory.path(), second_boot);
    } catch (const ForeignStore &) {
        ++tally.refused; // its header says that it is another's
        return;
    }
    writer->settle();
    Answer answer = ask(directory.path(), writer->suspects());
    // The writer goes on, and looks after what the reader has found.
    for (int i = 0; i < 3; ++i) {
        try {
            if (!writer->is_open())
                writer->recover();
            writer->commit({{}, Watched{CaptureTier::ebpf, at_us(0), at_us(i)}, {}});
        } catch (const StoreFault &) {
            continue;
        }
    }
    EXPECT_TRUE(writer->is_open());
    answer.is_complete =
        ask(directory.path(), writer->suspects()).is_complete && answer.is_complete;
    ++(answer.is_complete ? tally.complete : tally.incomplete);
    bool differs = answer.is_complete && answer.leases.size() < truth.leases.size();
    for (const auto &[cookie, lease] : answer.leases) {
        const auto known = truth.leases.find(cookie);
        differs = differs || known == truth.leases.end() || !(known->second == lease);
    }
    if (differs && answer.is_complete) {
        ++tally.wrong_unseen;
        EXPECT_TRUE(sound) << "a check could have told";
        EXPECT_TRUE(database.filename().native().starts_with("current-")) << "its checksum tells";
    }
}

TEST(Damage, IsNeverSilentWhereACheckCanTell) {
    const TemporaryDirectory model;
    fill(model.path());
    const Answer truth = [&] {
        const TemporaryDirectory copy;
        std::filesystem::copy(model.path(), copy.path(), std::filesystem::copy_options::recursive);
        Writer writer(copy.path(), second_boot);
        return ask(copy.path(), writer.suspects());
    }();
    ASSERT_EQ(truth.leases.size(), static_cast<std::size_t>(all_leases));
    ASSERT_TRUE(truth.is_complete);
    const char *const full = std::getenv("PORTD_FULL");
    const std::uint32_t rounds = full && *full ? 2000 : 60;
    Tally tally;
    for (std::uint32_t seed = 1; seed <= rounds && !HasFailure(); ++seed)
        round(model, truth, seed, tally);
    std::cout << tally.rounds << " rounds: " << tally.complete << " answers complete, "
              << tally.incomplete << " said to be incomplete, " << tally.refused
              << " refused at the start, " << tally.wrong_unseen
              << " with a wrong row in the file that is written, which SQLite calls sound\n";
}

} // namespace
} // namespace portd::store::test
