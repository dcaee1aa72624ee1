#include "server/listen.hpp"

#include "temporary_directory.hpp"

#include <gtest/gtest.h>

#include <fcntl.h>
#include <fstream>
#include <optional>
#include <string>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <system_error>
#include <utility>

namespace portd::server {
namespace {

namespace fs = std::filesystem;

sockaddr_un address_of(const fs::path &path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.native().copy(address.sun_path, sizeof address.sun_path - 1);
    return address;
}

bool is_answered(const fs::path &path) {
    const system::Fd client(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const sockaddr_un address = address_of(path);
    return ::connect(client.get(), reinterpret_cast<const sockaddr *>(&address), sizeof address) ==
           0;
}

void leave_stale_socket(const fs::path &path) {
    const system::Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const sockaddr_un address = address_of(path);
    ASSERT_EQ(::bind(socket.get(), reinterpret_cast<const sockaddr *>(&address), sizeof address),
              0);
}

std::errc fault_of_listening(const fs::path &path) {
    try {
        static_cast<void>(listen(path));
    } catch (const std::system_error &fault) {
        EXPECT_NE(std::string(fault.what()).find(path.filename().string()), std::string::npos)
            << fault.what();
        return static_cast<std::errc>(fault.code().value());
    }
    return {};
}

class ListenTest : public testing::Test {
  protected:
    TemporaryDirectory directory_;
    const fs::path path_ = directory_.path() / "socket";
};

TEST_F(ListenTest, EverybodyMayConnect) {
    const Listener listener = listen(path_);
    EXPECT_TRUE(is_answered(path_));
    struct stat status {};
    ASSERT_EQ(::stat(path_.c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 07777, 0666u);
}

TEST_F(ListenTest, NameGoesWithTheListener) {
    {
        Listener first = listen(path_);
        const Listener moved = std::move(first);
        EXPECT_TRUE(fs::exists(path_));
    }
    EXPECT_FALSE(fs::exists(fs::symlink_status(path_)));
}

TEST_F(ListenTest, NameThatSomethingElseTookStays) {
    {
        const Listener listener = listen(path_);
        fs::remove(path_);
        std::ofstream(path_) << "other";
    }
    EXPECT_TRUE(fs::is_regular_file(path_));
}

TEST_F(ListenTest, ReplacesASocketOfADaemonThatIsGone) {
    leave_stale_socket(path_);
    const Listener listener = listen(path_);
    EXPECT_TRUE(is_answered(path_));
}

TEST_F(ListenTest, RefusesToReplaceALiveDaemon) {
    const Listener listener = listen(path_);
    EXPECT_EQ(fault_of_listening(path_), std::errc::address_in_use);
    EXPECT_TRUE(is_answered(path_));
}

TEST_F(ListenTest, RefusesToReplaceWhatIsNoSocket) {
    std::ofstream(path_) << "precious";
    EXPECT_EQ(fault_of_listening(path_), std::errc::file_exists);
    EXPECT_EQ(fs::file_size(path_), 8u);
    fs::remove(path_);
    fs::create_symlink("nowhere", path_);
    EXPECT_EQ(fault_of_listening(path_), std::errc::file_exists);
}

TEST_F(ListenTest, RefusesToReplaceASocketOfAnotherType) {
    const system::Fd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    const sockaddr_un address = address_of(path_);
    ASSERT_EQ(::bind(socket.get(), reinterpret_cast<const sockaddr *>(&address), sizeof address),
              0);
    EXPECT_EQ(fault_of_listening(path_), std::errc::wrong_protocol_type);
    EXPECT_TRUE(fs::is_socket(path_));
}

TEST_F(ListenTest, MakesTheDirectoryButNotItsParents) {
    const fs::path inside = directory_.path() / "run" / "socket";
    {
        const Listener listener = listen(inside);
        EXPECT_TRUE(is_answered(inside));
    }
    try {
        static_cast<void>(listen(directory_.path() / "a" / "b" / "socket"));
        FAIL() << "listens in a directory without a parent";
    } catch (const std::system_error &fault) {
        EXPECT_EQ(fault.code(), std::errc::no_such_file_or_directory);
    }
}

TEST_F(ListenTest, RefusesAPathThatDoesNotFitAnAddress) {
    EXPECT_EQ(fault_of_listening(directory_.path() / std::string(108, 'x')),
              std::errc::filename_too_long);
}

TEST(Listen, TakesOverASocketAndLeavesItsName) {
    const TemporaryDirectory directory;
    const fs::path path = directory.path() / "socket";
    system::Fd made(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const sockaddr_un address = address_of(path);
    ASSERT_EQ(::bind(made.get(), reinterpret_cast<const sockaddr *>(&address), sizeof address), 0);
    ASSERT_EQ(::listen(made.get(), 1), 0);
    {
        const Listener listener = take_over(std::move(made));
        EXPECT_TRUE(is_answered(path));
        EXPECT_NE(::fcntl(listener.fd(), F_GETFL) & O_NONBLOCK, 0);
    }
    EXPECT_TRUE(fs::exists(path));
}

TEST(Listen, TakesOverNothingElse) {
    system::Fd idle(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    EXPECT_THROW(take_over(std::move(idle)), std::system_error);
    system::Fd datagrams(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    EXPECT_THROW(take_over(std::move(datagrams)), std::system_error);
    EXPECT_THROW(take_over(system::Fd(::open("/dev/null", O_RDONLY | O_CLOEXEC))),
                 std::system_error);
}

} // namespace
} // namespace portd::server
