#include "client/column_log.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <charconv>

namespace portd::client {
namespace {

std::vector<std::string_view> split(std::string_view text, char separator) {
    std::vector<std::string_view> columns;
    for (;;) {
        const std::size_t end = text.find(separator);
        columns.push_back(text.substr(0, end));
        if (end == std::string_view::npos)
            return columns;
        text.remove_prefix(end + 1);
    }
}

// By RFC 4180, but for values that go on in the next line. Absent where a quote is not closed.
std::optional<std::vector<std::string>> split_csv(std::string_view text, char separator) {
    std::vector<std::string> columns(1);
    bool is_quoted = false;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        if (is_quoted && c == '"' && i + 1 < text.size() && text[i + 1] == '"') {
            columns.back() += '"';
            ++i;
        } else if (c == '"' && (is_quoted || columns.back().empty())) {
            is_quoted = !is_quoted;
        } else if (c == separator && !is_quoted) {
            columns.emplace_back();
        } else {
            columns.back() += c;
        }
    }
    if (is_quoted)
        return std::nullopt;
    return columns;
}

char csv_separator(std::string_view heading) {
    const std::string_view separators = ",;\t";
    return *std::ranges::max_element(separators, {},
                                     [&](char one) { return std::ranges::count(heading, one); });
}

// Zeek writes what would end a column as \xNN.
std::string escape_column(std::string_view text, char separator) {
    constexpr std::string_view digits = "0123456789abcdef";
    std::string escaped;
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (c == separator || byte < 0x20 || byte == 0x7f) {
            escaped += "\\x";
            escaped += digits[byte >> 4];
            escaped += digits[byte & 15];
        } else {
            escaped += c;
        }
    }
    return escaped;
}

// No control character, and one value.
std::string quote_csv(std::string_view text, char separator) {
    const std::string plain = escape_column(text, '\0');
    if (plain.find(separator) == std::string::npos && plain.find('"') == std::string::npos)
        return plain;
    std::string quoted = "\"";
    for (const char c : plain)
        quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
    return quoted + '"';
}

template <typename Columns>
void read_columns(LogRow &row, const ColumnNames &names, const Columns &columns,
                  std::string_view unset, std::int64_t now_usec) {
    FlowFields fields;
    if (columns.size() != names.names.size()) {
        row.fault = faults::other_columns;
        return;
    }
    for (std::size_t i = 0; i < columns.size(); ++i)
        if (const auto field = names.fields[i]; field && columns[i] != unset)
            fields.set(*field, columns[i]);
    row.kind = fields.make(row, now_usec);
}

template <typename Columns>
nlohmann::json named(const std::vector<std::string> &names, const Columns &columns,
                     const std::string &line) {
    if (columns.size() != names.size())
        return {{"line", line}};
    nlohmann::json object = nlohmann::json::object();
    for (std::size_t i = 0; i < names.size(); ++i)
        object[names[i]] = std::string(columns[i]);
    return object;
}

} // namespace

void ColumnNames::add(std::string name) {
    fields.push_back(field_named(name));
    names.push_back(std::move(name));
}

LogRow ZeekLog::read(std::string line) {
    if (line.starts_with('#'))
        return read_header(std::move(line));
    LogRow row;
    read_columns(row, columns_, split(line, separator_), unset_, now_usec_);
    row.line = std::move(line);
    return row;
}

LogRow ZeekLog::read_header(std::string line) {
    // "#separator \x09": the only line that has a space there.
    constexpr std::string_view separator = "#separator \\x";
    unsigned code = 0;
    if (line.starts_with(separator) && line.size() == separator.size() + 2 &&
        std::from_chars(line.data() + separator.size(), line.data() + line.size(), code, 16).ec ==
            std::errc() &&
        code > 0 && code < 0x80 && code != '\n')
        separator_ = static_cast<char>(code);
    const std::size_t end = line.find(separator_);
    const std::string_view key = std::string_view(line).substr(0, end);
    const std::string value = end == std::string::npos ? "" : line.substr(end + 1);
    if (key == "#unset_field")
        unset_ = value;
    else if (key == "#empty_field")
        empty_ = value;
    else if (key == "#fields") {
        columns_ = ColumnNames();
        for (const std::string_view name : split(value, separator_))
            columns_.add(std::string(name));
        for (const std::string &name : added_)
            line += separator_ + name;
    } else if (key == "#types") {
        for (std::size_t i = 0; i < added_.size(); ++i)
            line += std::string(1, separator_) + "string";
    }
    return {LogRow::Kind::header, std::move(line)};
}

std::string ZeekLog::write(const LogRow &row, const LogAddition &addition) const {
    std::string line = row.line;
    for (const auto &[name, value] : addition.columns) {
        const std::string escaped = escape_column(value, separator_);
        line += separator_ + (value.empty() ? unset_ : escaped == unset_ ? "\\x2d" : escaped);
    }
    return line;
}

nlohmann::json ZeekLog::to_json(const LogRow &row) const {
    return named(columns_.names, split(row.line, separator_), row.line);
}

bool CsvLog::is_heading(std::string_view line) {
    const auto names = split_csv(line, csv_separator(line));
    bool has_time = false;
    bool names_flow = false;
    for (const std::string &name : names.value_or(std::vector<std::string>())) {
        const auto field = field_named(name);
        has_time = has_time || field == FlowField::time;
        names_flow = names_flow || field == FlowField::source_port ||
                     field == FlowField::destination_port || field == FlowField::community_id;
    }
    return has_time && names_flow;
}

LogRow CsvLog::read(std::string line) {
    const bool has_return = line.ends_with('\r');
    if (has_return)
        line.pop_back();
    if (columns_.names.empty()) {
        separator_ = csv_separator(line);
        for (std::string &name : split_csv(line, separator_).value_or(std::vector{line}))
            columns_.add(std::move(name));
        for (const std::string &name : added_)
            line += separator_ + name;
        return {LogRow::Kind::header, std::move(line)};
    }
    if (line.empty())
        return {LogRow::Kind::header, std::move(line)};
    LogRow row;
    const auto columns = split_csv(line, separator_).value_or(std::vector<std::string>());
    read_columns(row, columns_, columns, "-", now_usec_);
    row.line = std::move(line);
    return row;
}

std::string CsvLog::write(const LogRow &row, const LogAddition &addition) const {
    std::string line = row.line;
    for (const auto &[name, value] : addition.columns)
        line += separator_ + quote_csv(value, separator_);
    return line;
}

nlohmann::json CsvLog::to_json(const LogRow &row) const {
    return named(columns_.names,
                 split_csv(row.line, separator_).value_or(std::vector<std::string>()), row.line);
}

} // namespace portd::client
