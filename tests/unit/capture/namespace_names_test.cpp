#include "capture/namespace_names.hpp"

#include <filesystem>
#include <fstream>
#include <gmock/gmock.h>
#include <sys/stat.h>
#include <unistd.h>

namespace portd::capture {
namespace {

using namespace std::chrono_literals;
using testing::IsEmpty;
using testing::SizeIs;

model::Instant at(model::Duration since_boot) {
    return model::Instant{since_boot};
}

class Names : public testing::Test {
  protected:
    Names() {
        std::string pattern = "/tmp/portd-names.XXXXXX";
        folder_ = ::mkdtemp(pattern.data());
    }
    ~Names() override { std::filesystem::remove_all(folder_); }

    std::uint32_t add(const std::string &name) {
        std::ofstream(folder_ / name) << "";
        struct stat status {};
        ::stat((folder_ / name).c_str(), &status);
        return static_cast<std::uint32_t>(status.st_ino);
    }

    std::filesystem::path folder_;
};

TEST_F(Names, AreThoseOfTheFolderEachToldOnce) {
    const auto inode = add("blue");
    NamespaceNames names(1, folder_);
    names.watch(at(5s));
    const auto news = names.take();
    ASSERT_THAT(news, SizeIs(1));
    EXPECT_EQ(news[0].inode, inode);
    EXPECT_EQ(news[0].name, "blue");
    EXPECT_EQ(news[0].since, at(5s));
    names.watch(at(6s));
    EXPECT_THAT(names.take(), IsEmpty());
}

TEST_F(Names, AreLookedForWhenTheFolderChanges) {
    NamespaceNames names(1, folder_);
    names.watch(at(5s));
    names.watch(at(6s));
    names.watch(at(7s));
    const auto inode = add("blue");
    names.watch(at(8s));
    auto news = names.take();
    ASSERT_THAT(news, SizeIs(1));
    EXPECT_EQ(news[0].inode, inode);
    EXPECT_EQ(news[0].since, at(7s));

    std::filesystem::remove(folder_ / "blue");
    names.watch(at(9s));
    names.watch(at(10s));
    news = names.take();
    ASSERT_THAT(news, SizeIs(1));
    EXPECT_EQ(news[0].inode, inode);
    EXPECT_EQ(news[0].name, "");
    EXPECT_EQ(news[0].since, at(8s));
}

TEST_F(Names, OfAnInodeThatIsUsedAgainCountFromWhenTheyAreSeen) {
    const auto inode = add("blue");
    NamespaceNames names(1, folder_);
    names.watch(at(5s));
    names.take();
    std::filesystem::rename(folder_ / "blue", folder_ / "red");
    names.watch(at(6s));
    const auto news = names.take();
    ASSERT_THAT(news, SizeIs(2));
    EXPECT_EQ(news[0].inode, inode);
    EXPECT_EQ(news[0].name, "");
    EXPECT_EQ(news[0].since, at(5s));
    EXPECT_EQ(news[1].name, "red");
    EXPECT_EQ(news[1].since, at(6s));
}

TEST_F(Names, AreOfOtherNamespacesOnly) {
    NamespaceNames names(add("own"), folder_);
    names.watch(at(5s));
    EXPECT_THAT(names.take(), IsEmpty());
}

TEST_F(Names, AFolderThatIsNotThereHasNone) {
    NamespaceNames names(1, folder_ / "missing");
    names.watch(at(5s));
    EXPECT_THAT(names.take(), IsEmpty());
}

TEST_F(Names, AContainerNamesItsNamespace) {
    auto process = std::make_shared<model::Process>();
    process->container = "c0ffee";
    model::PortTaken taken;
    taken.key.network_namespace = 42;
    taken.process = process;
    taken.at = at(7s);
    NamespaceNames names(1, folder_);
    names.notice(taken);
    names.notice(taken);
    auto news = names.take();
    ASSERT_THAT(news, SizeIs(1));
    EXPECT_EQ(news[0].name, "c0ffee");
    EXPECT_EQ(news[0].since, at(7s));

    taken.key.network_namespace = 1; // of a container with the host's network
    names.notice(taken);
    EXPECT_THAT(names.take(), IsEmpty());
}

} // namespace
} // namespace portd::capture
