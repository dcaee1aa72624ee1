// "Name: value" lines with the names aligned to the right, as systemctl status prints them.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace portd::client {

class Fields {
  public:
    void add(std::string name, std::string value) {
        fields_.emplace_back(std::move(name), std::move(value));
    }
    // Another line of the value before.
    void more(std::string value) { fields_.emplace_back("", std::move(value)); }

    // With a width, values that do not fit it go on in lines of their own. What stands behind a
    // newline in a value is a command: a line of its own that is never broken, to be copied.
    std::vector<std::string> lines(std::optional<std::size_t> width) const;

  private:
    std::vector<std::pair<std::string, std::string>> fields_;
};

} // namespace portd::client
