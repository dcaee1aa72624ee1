#include "client/fields.hpp"

#include <algorithm>

namespace portd::client {

std::vector<std::string> Fields::lines() const {
    std::size_t widest = 0;
    for (const auto &[name, value] : fields_)
        widest = std::max(widest, name.size());
    std::vector<std::string> result;
    for (const auto &[name, value] : fields_)
        result.push_back(std::string(widest - name.size(), ' ') + name +
                         (name.empty() ? "  " : ": ") + value);
    return result;
}

} // namespace portd::client
