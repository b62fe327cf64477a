"""An application that uses every kind of parameter and of result, for requests that are made up."""
