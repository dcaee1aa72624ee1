// Every kind of message and the catalog that explains it.
#include "system/message.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <set>
#include <sstream>
#include <string>

namespace portd::system {
namespace {

constexpr Message all[] = {Message::started,
                           Message::tier_chosen,
                           Message::reloaded,
                           Message::settings_refused,
                           Message::gap_opened,
                           Message::gap_closed,
                           Message::file_set_aside,
                           Message::store_failing,
                           Message::disk_full,
                           Message::pool_nearly_exhausted,
                           Message::self_check_failed,
                           Message::lesser_tier,
                           Message::refused};

std::multiset<std::string> ids_in_catalog() {
    std::ifstream file(PORTD_SOURCE "/systemd/portd.catalog");
    std::multiset<std::string> ids;
    for (std::string line; std::getline(file, line);)
        if (line.starts_with("-- "))
            ids.insert(line.substr(3));
    return ids;
}

TEST(Messages, TheCatalogExplainsEachAndNoOther) {
    std::multiset<std::string> ids;
    for (const Message message : all)
        ids.insert(kind_of(message).id);
    EXPECT_EQ(ids, ids_in_catalog());
}

TEST(Messages, IdentifiersDifferAndAreIdentifiers) {
    std::set<std::string> ids;
    for (const Message message : all) {
        const std::string id = kind_of(message).id;
        EXPECT_EQ(id.size(), 32U);
        EXPECT_EQ(id.find_first_not_of("0123456789abcdef"), std::string::npos) << id;
        EXPECT_TRUE(ids.insert(id).second) << id;
    }
}

} // namespace
} // namespace portd::system
