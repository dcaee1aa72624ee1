#include "listen.hpp"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <string>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <system_error>
#include <utility>

namespace portd::server {
namespace {

[[noreturn]] void fail(int error, const std::filesystem::path &path, const std::string &what) {
    throw std::system_error(error, std::generic_category(), path.string() + ": " + what);
}

sockaddr_un address_of(const std::filesystem::path &path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string &text = path.native();
    if (text.empty() || text.size() >= sizeof address.sun_path)
        fail(text.empty() ? EINVAL : ENAMETOOLONG, path, "no path for a socket");
    std::memcpy(address.sun_path, text.data(), text.size());
    return address;
}

system::Fd unix_socket(const std::filesystem::path &path) {
    system::Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!fd)
        fail(errno, path, "socket");
    return fd;
}

template <typename Call>
int on_address(Call call, int fd, const sockaddr_un &address) {
    return call(fd, reinterpret_cast<const sockaddr *>(&address), sizeof address) == 0 ? 0 : errno;
}

void remove_stale(const std::filesystem::path &path, const sockaddr_un &address) {
    struct stat status {};
    if (::lstat(path.c_str(), &status) != 0) {
        if (errno == ENOENT)
            return;
        fail(errno, path, "cannot be examined");
    }
    if (!S_ISSOCK(status.st_mode))
        fail(EEXIST, path, "is there and is not a socket");

    const int error = on_address(::connect, unix_socket(path).get(), address);
    // EAGAIN: somebody listens and has a full queue.
    if (error == 0 || error == EAGAIN)
        fail(EADDRINUSE, path, "another daemon answers there");
    if (error != ECONNREFUSED)
        fail(error, path, "cannot tell whether a daemon answers there");
    if (::unlink(path.c_str()) != 0)
        fail(errno, path, "cannot remove the socket of a daemon that is gone");
}

void make_directory_of(const std::filesystem::path &path) {
    const std::filesystem::path directory = path.parent_path();
    if (directory.empty() || ::mkdir(directory.c_str(), 0755) == 0 || errno == EEXIST)
        return;
    fail(errno, directory, "cannot make the directory of the socket");
}

} // namespace

Listener::Listener(system::Fd fd, std::filesystem::path path)
    : fd_(std::move(fd)), path_(std::move(path)) {
    struct stat status {};
    if (::lstat(path_.c_str(), &status) != 0)
        fail(errno, path_, "cannot be examined");
    device_ = status.st_dev;
    inode_ = status.st_ino;
}

Listener::Listener(Listener &&other) noexcept
    : fd_(std::move(other.fd_)),
      path_(std::move(other.path_)),
      device_(other.device_),
      inode_(other.inode_) {}

Listener::~Listener() {
    struct stat status {};
    if (fd_ && !path_.empty() && ::lstat(path_.c_str(), &status) == 0 && status.st_dev == device_ &&
        status.st_ino == inode_)
        ::unlink(path_.c_str());
}

Listener listen(const std::filesystem::path &path) {
    const sockaddr_un address = address_of(path);
    make_directory_of(path);
    remove_stale(path, address);

    system::Fd fd = unix_socket(path);
    if (const int error = on_address(::bind, fd.get(), address))
        fail(error, path, "bind");
    Listener listener(std::move(fd), path);
    // Everybody may ask; what they are told depends on who they are.
    if (::chmod(path.c_str(), 0666) != 0)
        fail(errno, path, "chmod");
    if (::listen(listener.fd(), SOMAXCONN) != 0)
        fail(errno, path, "listen");
    return listener;
}

Listener take_over(system::Fd fd) {
    int accepts = 0;
    int type = 0;
    int domain = 0;
    const auto ask = [&](int option, int &value) {
        socklen_t size = sizeof value;
        if (::getsockopt(fd.get(), SOL_SOCKET, option, &value, &size) != 0)
            throw std::system_error(errno, std::generic_category(), "the socket that was passed");
    };
    ask(SO_ACCEPTCONN, accepts);
    ask(SO_TYPE, type);
    ask(SO_DOMAIN, domain);
    if (accepts == 0 || type != SOCK_STREAM || domain != AF_UNIX)
        throw std::system_error(EINVAL, std::generic_category(),
                                "the socket that was passed is no listening Unix stream socket");
    const int flags = ::fcntl(fd.get(), F_GETFL);
    if (flags < 0 || ::fcntl(fd.get(), F_SETFL, flags | O_NONBLOCK) != 0)
        throw std::system_error(errno, std::generic_category(), "the socket that was passed");
    return Listener(std::move(fd));
}

} // namespace portd::server
