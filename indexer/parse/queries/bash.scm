(function_definition name: (word) @name body: (_) @body) @definition.function
(program (variable_assignment name: (variable_name) @name) @definition.variable)

(comment) @comment

(command name: (command_name (word) @_source) argument: (_) @module (#match? @_source "^(source|\\.)$")) @import
