#include "store/part_listing.hpp"
#include "store_fixture.hpp"

#include <gtest/gtest.h>

#include <fstream>

namespace portd::store {
namespace {

using test::TemporaryDirectory;

void make(const std::filesystem::path &file) {
    std::ofstream{file};
}

// Most of these changes come within one step of the clock that dates them.
TEST(PartListing, MissesNoChangeHoweverSoonItComes) {
    const TemporaryDirectory directory;
    PartListing listing(directory.path());
    EXPECT_TRUE(listing.now().empty());
    for (std::int64_t number = 1; number <= 500; ++number) {
        const PartFile current{number, false};
        const PartFile sealed{number, true};
        make(path_of(directory.path(), current));
        ASSERT_EQ(listing.now().back(), current);
        std::filesystem::rename(path_of(directory.path(), current),
                                path_of(directory.path(), sealed));
        ASSERT_EQ(listing.now().back(), sealed);
        if (number > 3) {
            std::filesystem::remove(path_of(directory.path(), {number - 3, true}));
            ASSERT_EQ(listing.now().size(), 3U);
        }
    }
}

// As it is once nothing has changed for a while; the clock is not waited for.
TEST(PartListing, SeesChangesOfADirectoryThatItReliesOn) {
    const TemporaryDirectory directory;
    make(path_of(directory.path(), {1, true}));
    PartListing listing(directory.path(),
                        [] { return PartListing::Clock::now() + std::chrono::hours(1); });
    const auto dated = [&] { return std::filesystem::last_write_time(directory.path()); };
    const auto listed = dated();
    EXPECT_EQ(listing.now().size(), 1U);
    EXPECT_EQ(listing.now().size(), 1U);
    std::size_t parts = 1;
    while (dated() == listed)
        make(path_of(directory.path(), {static_cast<std::int64_t>(++parts), true}));
    EXPECT_EQ(listing.now().size(), parts);
}

TEST(PartListing, SeesThatAnotherDirectoryTookThePlace) {
    const TemporaryDirectory directory;
    for (const char *const name : {"a", "b"})
        std::filesystem::create_directory(directory / name);
    make(path_of(directory / "a", {1, true}));
    make(path_of(directory / "b", {2, true}));
    PartListing listing(directory / "a",
                        [] { return PartListing::Clock::now() + std::chrono::hours(1); });
    EXPECT_EQ(listing.now().back().number, 1);
    std::filesystem::rename(directory / "a", directory / "c");
    EXPECT_THROW(listing.now(), std::filesystem::filesystem_error);
    std::filesystem::rename(directory / "b", directory / "a");
    EXPECT_EQ(listing.now().back().number, 2);
}

} // namespace
} // namespace portd::store
