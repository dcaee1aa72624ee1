#include "store/fault.hpp"

#include <cerrno>
#include <cstring>

namespace portd::store {

void fail_by_errno(const std::filesystem::path &file, const std::string &doing) {
    const int error = errno;
    const std::string message = doing + ": " + std::strerror(error);
    switch (error) {
    case ENOSPC:
    case EDQUOT:
        throw FullStore(file, message);
    case EIO:
        throw FailedIo(file, message);
    default:
        throw StoreFault(file, message);
    }
}

} // namespace portd::store
